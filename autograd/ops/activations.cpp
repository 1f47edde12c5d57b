#include "rill/autograd/ops/activations.h"

#include <numbers>

#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/kernels/elementwise.h"

namespace rill {

Tensor tanh(const Tensor& x) {
  return record("tanh", kernels::tanh(x),
                wrt(x, [](const Tensor& g, const Tensor& y) { return g - g * square(y); }));
}

Tensor sigmoid(const Tensor& x) {
  return record("sigmoid", kernels::sigmoid(x), wrt(x, [](const Tensor& g, const Tensor& y) {
                  const Tensor gy = g * y;
                  return gy - gy * y;
                }));
}

Tensor relu(const Tensor& x) {
  return record("relu", kernels::relu(x),
                wrt(x, [](const Tensor& g, const Tensor& y) { return where(y > 0, g, 0); }));
}

Tensor leaky_relu(const Tensor& x, double slope) {
  return record("leaky_relu", kernels::where(kernels::greater(x, 0), x, kernels::mul(x, slope)),
                wrt(x, [x, slope](const Tensor& g) { return where(x > 0, g, g * slope); }));
}

Tensor elu(const Tensor& x, double alpha) {
  const Tensor below = kernels::mul(kernels::expm1(kernels::minimum(x, 0.0)), alpha);
  return record("elu", kernels::where(kernels::greater(x, 0), x, below), wrt(x, [x, alpha](const Tensor& g) {
                  return where(x > 0, g, g * exp(where(x > 0, 0, x)) * alpha);
                }));
}

namespace {

Tensor erfc(const Tensor& x) {
  return record("erfc", kernels::erfc(x), wrt(x, [x](const Tensor& g) {
                  return g * exp(-square(x)) * (-2 * std::numbers::inv_sqrtpi);
                }));
}

/// The standard normal distribution function.
Tensor normal_cdf(const Tensor& x) { return erfc(x * (-1 / std::numbers::sqrt2)) * 0.5; }

Tensor normal_density(const Tensor& x) {
  return exp(square(x) * -0.5) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

/// Beyond it the distribution function is 0 or 1 and the density 0, which an infinite x must not meet.
constexpr double end_of_normal = 1e4;

}  // namespace

Tensor gelu(const Tensor& x) {
  const Tensor cdf = normal_cdf(stop_gradient(x));
  return record("gelu", kernels::mul(kernels::maximum(x, -end_of_normal), cdf), wrt(x, [x](const Tensor& g) {
                  const Tensor inside = clamp(x, -end_of_normal, end_of_normal);
                  return g * (normal_cdf(inside) + inside * normal_density(inside));
                }));
}

Tensor softplus(const Tensor& x) {
  return record("softplus", kernels::softplus(x), wrt(x, [x](const Tensor& g) { return g * sigmoid(x); }));
}

}  // namespace rill
