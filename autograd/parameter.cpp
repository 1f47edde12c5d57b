#include "rill/autograd/parameter.h"

#include <atomic>

#include "fmt/format.h"
#include "rill/autograd/recording.h"
#include "rill/tensor/error.h"

namespace rill {

using detail::TensorAccess;

namespace {

thread_local constinit OnParameterUse* innermost = nullptr;

}  // namespace

Parameter::Parameter(Tensor value) : value_(std::move(value)) {
  if (!is_floating(value_.dtype()))
    throw DTypeError(
        fmt::format("Parameter: a parameter holds float32 or float64, not {}", name(value_.dtype())));
}

Parameter::operator Tensor() const {
  Tensor value = on_tape();
  return innermost && trainable && detail::current ? innermost->f_(*this, value) : value;
}

Tensor Parameter::on_tape() const {
  auto* recording = detail::current;
  const bool tracked = recording && trainable;
  if (tracked) {
    const auto found = recording->parameters.find(id_);
    if (found != recording->parameters.end()) {
      if (TensorAccess::body(found->second.value).storage == TensorAccess::body(value_).storage)
        return found->second.value;
      // It was updated since the tape used it first: from here on the source is the new value.
      std::erase(recording->parameter_order, id_);
      recording->parameters.erase(found);
    }
  }
  const auto& body = TensorAccess::body(value_);
  Tensor alias = TensorAccess::view(value_, body.offset, body.shape, body.strides);
  TensorAccess::mutable_body(alias).reused = true;
  if (!tracked) return alias;
  alias = recording->append(std::move(alias), -1);
  recording->parameters.emplace(id_, detail::Recording::Leaf{alias, recording->place(alias)});
  recording->parameter_order.push_back(id_);
  return alias;
}

OnParameterUse::OnParameterUse(Function f) : f_(std::move(f)), outer_(std::exchange(innermost, this)) {}

OnParameterUse::~OnParameterUse() { innermost = outer_; }

std::uint64_t Parameter::next_id() noexcept {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace rill
