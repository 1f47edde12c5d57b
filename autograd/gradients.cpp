#include "rill/autograd/gradients.h"

#include "rill/tensor/error.h"
#include "rill/tensor/kernels/elementwise.h"

namespace rill {

const Tensor* Gradients::find(const Parameter& parameter) const {
  const auto place = places_.find(parameter.id());
  return place == places_.end() ? nullptr : &entries_[place->second].value;
}

const Tensor& Gradients::operator[](const Parameter& parameter) const {
  const Tensor* value = find(parameter);
  if (!value) throw ValueError("Gradients: the target did not depend on this parameter");
  return *value;
}

Tensor& Gradients::operator[](const Parameter& parameter) {
  return const_cast<Tensor&>(std::as_const(*this)[parameter]);
}

Gradients& Gradients::operator+=(const Gradients& other) {
  for (const auto& [parameter, value] : other) {
    const auto place = places_.find(parameter);
    if (place == places_.end())
      set(parameter, value);
    else
      kernels::accumulate(entries_[place->second].value, value);
  }
  return *this;
}

Gradients& Gradients::operator*=(double factor) {
  for (auto& entry : entries_) entry.value = kernels::mul(entry.value, factor);
  return *this;
}

void Gradients::set(std::uint64_t parameter, Tensor value) {
  const auto [place, added] = places_.try_emplace(parameter, entries_.size());
  if (added)
    entries_.push_back({parameter, std::move(value)});
  else
    entries_[place->second].value = std::move(value);
}

}  // namespace rill
