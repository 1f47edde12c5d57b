#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "rill/nn/fields.h"
#include "rill/nn/recurrent.h"

namespace rill::nn {

namespace detail {
inline const Tensor& as_tensor(const Tensor& x) { return x; }
template <class State>
Tensor as_tensor(const RecurrentResult<State>& result) {
  return result.outputs;
}
}  // namespace detail

/// Layers one after another: each is called with what the one before returned, of a recurrent layer its
/// outputs. A layer is a module, or a function from tensor to tensor. Modules are named by their place: "0",
/// "1", ...
template <class... Layers>
class Sequential {
 public:
  explicit Sequential(Layers... layers) : layers_(std::move(layers)...) {}

  Tensor operator()(const Tensor& x) const {
    Tensor h = x;
    std::apply([&](const auto&... layer) { ((h = detail::as_tensor(layer(h))), ...); }, layers_);
    return h;
  }
  template <std::size_t I>
  auto& get() {
    return std::get<I>(layers_);
  }
  Fields fields() {
    std::vector<Field> out;
    std::size_t place = 0;
    const auto add = [&](auto& layer) {
      if constexpr (Module<std::remove_reference_t<decltype(layer)>>)
        out.emplace_back(std::to_string(place), layer);
      ++place;
    };
    std::apply([&](auto&... layer) { (add(layer), ...); }, layers_);
    return Fields(std::move(out));
  }
  std::string kind() const { return "Sequential"; }

 private:
  std::tuple<Layers...> layers_;
};

}  // namespace rill::nn
