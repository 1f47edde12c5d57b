#include "rill/autograd/parameter.h"

#include <atomic>
#include <cstddef>
#include <cstring>

#include "fmt/format.h"
#include "rill/autograd/recording.h"
#include "rill/tensor/error.h"

namespace rill {

using detail::TensorAccess;

namespace {

/// Whether b, which may be written to at any time, holds still what a is a copy of.
bool is_copy_of(const Tensor& a, const Tensor& b) {
  if (!TensorAccess::is_exposed(b) || !a.is_contiguous() || !(a.shape() == b.shape()) ||
      a.dtype() != b.dtype())
    return false;
  const std::size_t size = size_of(a.dtype());
  const auto first = [size](const Tensor& x) {
    return TensorAccess::data<std::byte>(x) +
           static_cast<std::size_t>(TensorAccess::body(x).offset) * (size - 1);
  };
  return std::memcmp(first(a), first(b), static_cast<std::size_t>(a.count()) * size) == 0;
}

}  // namespace

namespace detail {

thread_local constinit const OnParameterUse::Function* on_parameter_use = nullptr;

const Tensor* ParameterValues::find(const Parameter& parameter) const {
  bool is_other = false;
  for (const auto* call = this; call; call = call->outer) {
    if (!call->is_replay || parameter.id() >= call->first_new_id) continue;
    const auto place = call->ids_.find(&parameter);
    const auto found = call->values_.find(place == call->ids_.end() ? parameter.id() : place->second);
    if (found != call->values_.end()) return &found->second;
    is_other = true;
  }
  if (is_other)
    throw ValueError(
        "checkpoint: when it was called again for the gradient, the function used a parameter that it had "
        "not used "
        "at first; it must use the same model");
  return nullptr;
}

void ParameterValues::note(const Parameter& parameter, const Tensor& value) {
  for (auto* call = this; call; call = call->outer) {
    if (call->is_replay) continue;
    call->values_.insert_or_assign(parameter.id(), value);
    call->ids_.insert_or_assign(&parameter, parameter.id());
  }
}

void ParameterValues::replace(std::uint64_t id, const Tensor& value) {
  for (auto* call = this; call; call = call->outer)
    if (const auto found = call->values_.find(id); !call->is_replay && found != call->values_.end())
      found->second = value;
}

}  // namespace detail

Parameter::Parameter(Tensor value) : value_(std::move(value)) {
  if (!is_floating(value_.dtype()))
    throw DTypeError(
        fmt::format("Parameter: a parameter holds float32 or float64, not {}", name(value_.dtype())));
}

Parameter::operator Tensor() const {
  detail::ParameterValues* known = detail::this_thread().parameter_values;
  const Tensor* earlier = known ? known->find(*this) : nullptr;
  Tensor value = earlier ? *earlier : on_tape();
  if (known) known->note(*this, value);
  return detail::on_parameter_use && detail::is_tracked(value) ? (*detail::on_parameter_use)(*this, value)
                                                               : value;
}

Tensor Parameter::on_tape() const {
  auto* recording = detail::active();
  const bool tracked = recording && trainable;
  if (recording && !trainable) recording->met_frozen = true;
  if (tracked) {
    const auto found = recording->parameters.find(id_);
    if (found != recording->parameters.end()) {
      const Tensor& leaf = found->second.value;
      if (TensorAccess::body(leaf).storage == TensorAccess::body(value_).storage || is_copy_of(leaf, value_))
        return leaf;
      // It was updated since the tape used it first: from here on the source is the new value.
      std::erase(recording->parameter_order, id_);
      recording->parameters.erase(found);
    }
  }
  const auto& body = TensorAccess::body(value_);
  Tensor alias = TensorAccess::view(value_, body.offset, body.shape, body.strides);
  TensorAccess::mutable_body(alias).reused = tracked || !body.exposed;
  if (!tracked) return alias;
  alias = recording->append(std::move(alias), -1);
  recording->parameters.emplace(id_, detail::Recording::Leaf{alias, recording->place(alias)});
  recording->parameter_order.push_back(id_);
  return alias;
}

OnParameterUse::OnParameterUse(Function f) : f_(std::move(f)), outer_(detail::on_parameter_use) {
  detail::require_function("OnParameterUse", f_);
  detail::on_parameter_use = &f_;
}

OnParameterUse::~OnParameterUse() { detail::on_parameter_use = outer_; }

std::uint64_t Parameter::next_id() noexcept {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace rill
