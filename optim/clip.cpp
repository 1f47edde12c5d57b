#include "rill/optim/clip.h"

#include <cmath>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/optimizer.h"

namespace rill::optim {
namespace {

void require_bound(const char* function, double bound) {
  if (!(std::isfinite(bound) && bound > 0))
    throw ValueError(fmt::format("{}: a bound of {}; expected a finite number above 0", function, bound));
}

}  // namespace

double global_norm(const Gradients& gradients) {
  double total = 0;
  for (const auto& [parameter, value] : gradients) total += kernels::sum_of_squares(value);
  return std::sqrt(total);
}

void clip_by_value(Gradients& gradients, double bound) {
  require_bound("clip_by_value", bound);
  for (auto& [parameter, value] : gradients) value = kernels::clamp(value, -bound, bound);
}

void clip_by_norm(Gradients& gradients, double bound) {
  require_bound("clip_by_norm", bound);
  for (auto& [parameter, value] : gradients) {
    const double norm = std::sqrt(kernels::sum_of_squares(value));
    if (std::isfinite(norm) && norm > bound) value = kernels::mul(value, bound / norm);
  }
}

double clip_by_global_norm(Gradients& gradients, double bound) {
  require_bound("clip_by_global_norm", bound);
  const double norm = global_norm(gradients);
  if (std::isfinite(norm) && norm > bound) gradients *= bound / norm;
  return norm;
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
