#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/kernels/elementwise.h"

namespace rill {

Tensor operator+(const Tensor& a, const Tensor& b) {
  return record("add", kernels::add(a, b), wrt(a, Identity{}), wrt(b, Identity{}));
}

Tensor operator-(const Tensor& a, const Tensor& b) {
  return record("sub", kernels::sub(a, b), wrt(a, Identity{}), wrt(b, [](const Tensor& g) { return -g; }));
}

Tensor operator*(const Tensor& a, const Tensor& b) {
  return record("mul", kernels::mul(a, b), wrt(a, [b](const Tensor& g) { return g * b; }),
                wrt(b, [a](const Tensor& g) { return g * a; }));
}

Tensor operator/(const Tensor& a, const Tensor& b) {
  return record("div", kernels::div(a, b), wrt(a, [b](const Tensor& g) { return g / b; }),
                wrt(b, [b](const Tensor& g, const Tensor& y) { return -(g * y / b); }));
}

Tensor& operator+=(Tensor& a, const Tensor& b) { return a = a + b; }
Tensor& operator-=(Tensor& a, const Tensor& b) { return a = a - b; }
Tensor& operator*=(Tensor& a, const Tensor& b) { return a = a * b; }
Tensor& operator/=(Tensor& a, const Tensor& b) { return a = a / b; }

Tensor pow(const Tensor& base, const Tensor& exponent) {
  return record("pow", kernels::pow(base, exponent),
                wrt(base,
                    [base, exponent](const Tensor& g) {
                      // 0^0 is constant, where the formula would give 0 times infinity.
                      const Tensor constant = equal(abs(base) + abs(exponent), 0);
                      return g * (exponent * pow(base, where(constant, 1, exponent - 1)));
                    }),
                wrt(exponent, [base](const Tensor& g, const Tensor& y) {
                  const Tensor b = cast(base, y.dtype()), zero = equal(b, 0);
                  return g * where(zero, 0, y * log(where(zero, 1, b)));
                }));
}

namespace {

/// What a gets of the gradient of max(a, b), or of min(b, a). A choice and no product, as 0 times an infinite
/// gradient would not be 0.
Tensor share_above(const Tensor& g, const Tensor& a, const Tensor& b) {
  return where(a > b, g, where(a < b, 0, g * 0.5));
}

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  return record("maximum", kernels::maximum(a, b),
                wrt(a, [a, b](const Tensor& g) { return share_above(g, a, b); }),
                wrt(b, [a, b](const Tensor& g) { return share_above(g, b, a); }));
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return record("minimum", kernels::minimum(a, b),
                wrt(a, [a, b](const Tensor& g) { return share_above(g, b, a); }),
                wrt(b, [a, b](const Tensor& g) { return share_above(g, a, b); }));
}

}  // namespace rill
