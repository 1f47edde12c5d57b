#include "rill/optim/clip.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/optimizer.h"

namespace rill::optim {
namespace {

void require_bound(const char* function, double bound) {
  if (!(std::isfinite(bound) && bound > 0))
    throw ValueError(fmt::format("{}: a bound of {}; expected a finite number above 0", function, bound));
}

/// A norm as a product, so that it may be larger than a double.
struct Norm {
  double unit, in_units;

  double value() const { return unit * in_units; }
  bool exceeds(double bound) const { return std::isfinite(in_units) && in_units > bound / unit; }
};

double sum_of_squares(const std::vector<Tensor>& values, double unit) {
  double total = 0;
  for (const Tensor& value : values)
    total += kernels::sum_of_squares(unit == 1 ? value : kernels::div(value, unit));
  return total;
}

Norm norm_of(const std::vector<Tensor>& values) {
  const double plain = sum_of_squares(values, 1);
  if (std::isnan(plain) || (plain > 1e-60 && plain < 1e60)) return {1, std::sqrt(plain)};
  // Squares may not fit into a double, nor what scales the elements into their dtype.
  double largest = 0;
  for (const Tensor& value : values)
    if (value.count() > 0) largest = std::max(largest, max(abs(stop_gradient(value))).item());
  if (largest == 0 || !std::isfinite(largest)) return {1, largest};
  return {largest, std::sqrt(sum_of_squares(values, largest))};
}

Tensor scaled(const Tensor& value, const Norm& norm, double bound) {
  if (norm.unit == 1) return kernels::mul(value, bound / norm.in_units);
  return kernels::mul(kernels::div(value, norm.unit), bound / norm.in_units);
}

std::vector<Tensor> values_of(const Gradients& gradients) {
  std::vector<Tensor> values;
  for (const auto& [parameter, value] : gradients) values.push_back(value);
  return values;
}

}  // namespace

double global_norm(const Gradients& gradients) { return norm_of(values_of(gradients)).value(); }

void clip_by_value(Gradients& gradients, double bound) {
  require_bound("clip_by_value", bound);
  for (auto& [parameter, value] : gradients) value = kernels::clamp(value, -bound, bound);
}

void clip_by_norm(Gradients& gradients, double bound) {
  require_bound("clip_by_norm", bound);
  for (auto& [parameter, value] : gradients) {
    const Norm norm = norm_of({value});
    if (norm.exceeds(bound)) value = scaled(value, norm, bound);
  }
}

double clip_by_global_norm(Gradients& gradients, double bound) {
  require_bound("clip_by_global_norm", bound);
  const Norm norm = norm_of(values_of(gradients));
  if (norm.exceeds(bound))
    for (auto& [parameter, value] : gradients) value = scaled(value, norm, bound);
  return norm.value();
}

void check(const Clip& clip) {
  if (int(clip.value.has_value()) + int(clip.norm.has_value()) + int(clip.global_norm.has_value()) > 1)
    throw ValueError("clip: set one of value, norm and global_norm, not several");
  if (clip.value) require_bound("clip by value", *clip.value);
  if (clip.norm) require_bound("clip by norm", *clip.norm);
  if (clip.global_norm) require_bound("clip by global_norm", *clip.global_norm);
}

void apply(const Clip& clip, Gradients& gradients) {
  if (clip.value) clip_by_value(gradients, *clip.value);
  if (clip.norm) clip_by_norm(gradients, *clip.norm);
  if (clip.global_norm) clip_by_global_norm(gradients, *clip.global_norm);
}

Gradients only(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients) {
  Gradients out;
  for (const auto& [name, parameter] : parameters)
    if (const Tensor* value = gradients.find(*parameter)) out.set(parameter->id(), *value);
  return out;
}

}  // namespace rill::optim
