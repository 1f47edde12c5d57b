#include "rill/autograd/ops/unary.h"

#include <numbers>

#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/kernels/elementwise.h"

namespace rill {

Tensor neg(const Tensor& x) {
  return record("neg", kernels::neg(x), wrt(x, [](const Tensor& g) { return -g; }));
}

Tensor operator-(const Tensor& x) { return neg(x); }

Tensor abs(const Tensor& x) {
  return record("abs", kernels::abs(x), wrt(x, [x](const Tensor& g) { return g * sign(x); }));
}

Tensor sign(const Tensor& x) { return kernels::sign(x); }

Tensor square(const Tensor& x) {
  return record("square", kernels::square(x), wrt(x, [x](const Tensor& g) { return g * x * 2; }));
}

Tensor reciprocal(const Tensor& x) {
  return record("reciprocal", kernels::reciprocal(x),
                wrt(x, [](const Tensor& g, const Tensor& y) { return -(g * square(y)); }));
}

Tensor sqrt(const Tensor& x) {
  return record("sqrt", kernels::sqrt(x),
                wrt(x, [](const Tensor& g, const Tensor& y) { return g / (y * 2); }));
}

Tensor rsqrt(const Tensor& x) {
  return record("rsqrt", kernels::rsqrt(x),
                wrt(x, [](const Tensor& g, const Tensor& y) { return g * (y * square(y)) * -0.5; }));
}

Tensor exp(const Tensor& x) {
  return record("exp", kernels::exp(x), wrt(x, [](const Tensor& g, const Tensor& y) { return g * y; }));
}

Tensor expm1(const Tensor& x) {
  return record("expm1", kernels::expm1(x), wrt(x, [x](const Tensor& g) { return g * exp(x); }));
}

Tensor log(const Tensor& x) {
  return record("log", kernels::log(x), wrt(x, [x](const Tensor& g) { return g / x; }));
}

Tensor log1p(const Tensor& x) {
  return record("log1p", kernels::log1p(x), wrt(x, [x](const Tensor& g) { return g / (x + 1); }));
}

Tensor sin(const Tensor& x) {
  return record("sin", kernels::sin(x), wrt(x, [x](const Tensor& g) { return g * cos(x); }));
}

Tensor cos(const Tensor& x) {
  return record("cos", kernels::cos(x), wrt(x, [x](const Tensor& g) { return -(g * sin(x)); }));
}

Tensor erf(const Tensor& x) {
  return record("erf", kernels::erf(x), wrt(x, [x](const Tensor& g) {
                  // Beyond 40 the derivative is 0, which infinity would make NaN in the next.
                  return g * exp(-square(clamp(x, -40, 40))) * (2 * std::numbers::inv_sqrtpi);
                }));
}

Tensor clamp(const Tensor& x, double low, double high) {
  detail::require_values("clamp", x);
  return record("clamp", kernels::clamp(x, low, high),
                wrt(x, [x](const Tensor& g, const Tensor& y) { return where(equal(x, y), g, 0); }));
}

}  // namespace rill
