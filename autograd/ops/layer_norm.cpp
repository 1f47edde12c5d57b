#include "rill/autograd/ops/layer_norm.h"

#include <array>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/ops/in_place.h"
#include "rill/autograd/ops/reduction.h"
#include "rill/autograd/record.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/layer_norm.h"

namespace rill {
namespace {

struct Rule {
  Tensor x, gain, moments;
  double epsilon;

  void operator()(Backward& b) const {
    const Tensor& g = b.cotangent(0);
    if (b.recorded()) return through_tensors(b, g);
    kernels::LayerNormGradient gradient = kernels::layer_norm_gradient(g, x, gain, moments);
    b.give(0, std::move(gradient.x));
    b.give(1, std::move(gradient.gain));
    b.give(2, std::move(gradient.bias));
  }

  /// The same as differentiable operations, for derivatives of higher order.
  void through_tensors(Backward& b, const Tensor& g) const {
    const ReduceOptions kept{.keepdims = true};
    // In units of the deviation, whose squares neither overflow nor vanish.
    Shape rows = x.shape();
    rows.back() = 1;
    const Tensor unit = x.count() == 0 ? Tensor(1) : reshape(slice(moments, 1, {1, 2}), rows);
    const Tensor spread = variance(x * unit, -1, {.correction = 0, .keepdims = true});
    const Tensor scale = unit * rsqrt(spread + unit * epsilon * unit);
    const Tensor value = (x - mean(x, -1, kept)) * scale, inner = g * gain;
    b.give(0, scale * (inner - mean(inner, -1, kept) - value * mean(inner * value, -1, kept)));
    b.give(1, g * value);
    b.give(2, g);
  }
};

void check(const Tensor& x, const Tensor& gain, const Tensor& bias, const Tensor& added) {
  detail::require_floating(x, "layer_norm");
  if (x.rank() == 0) throw ShapeError("layer_norm: a scalar has no axis to normalise along");
  const auto expect = [&](const char* what, const Tensor& given, const Shape& shape) {
    if (!(given.shape() == shape))
      throw ShapeError(fmt::format("layer_norm: {} of shape {} for an input of shape {}; expected {}", what,
                                   to_string(given.shape()), to_string(x.shape()), to_string(shape)));
    if (given.dtype() != x.dtype())
      throw DTypeError(
          fmt::format("layer_norm: {} of {} for an input of {}", what, name(given.dtype()), name(x.dtype())));
  };
  expect("a gain", gain, {x.size(-1)});
  expect("a bias", bias, {x.size(-1)});
  if (added.defined()) expect("an addend", added, x.shape());
}

Tensor normalize(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon,
                 const Tensor& added) {
  check(x, gain, bias, added);
  const bool over = added.defined() && detail::may_write_over(added, x.shape(), x.dtype());
  std::array<Tensor, 1> y{over ? detail::written_over(added) : Tensor::empty(x.shape(), x.dtype())};
  const Tensor moments = kernels::layer_norm(x, gain, bias, epsilon, added, y[0]);
  if (is_recording())
    record_joint("layer_norm", y, std::array{x, gain, bias}, Rule{x, gain, moments, epsilon}, added);
  return y[0];
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon) {
  detail::require_values("layer_norm", x, gain, bias);
  return normalize(x, gain, bias, epsilon, {});
}

Tensor layer_norm_add(const Tensor& x, const Tensor& gain, const Tensor& bias, Tensor added, double epsilon) {
  detail::require_values("layer_norm_add", x, gain, bias, added);
  return normalize(x, gain, bias, epsilon, added);
}

}  // namespace rill
