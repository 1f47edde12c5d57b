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
                      // 0^0 is constant, where the formula gives 0 times infinity.
                      const Tensor constant = equal(abs(base) + abs(exponent), 0);
                      return g * where(constant, 0, exponent * pow(base, exponent - 1));
                    }),
                wrt(exponent, [base](const Tensor& g, const Tensor& y) {
                  return g * y * log(where(equal(base, 0), 1, base));
                }));
}

namespace {

/// The part of the gradient of max(a, b) that a gets, or of min(b, a).
Tensor share_above(const Tensor& a, const Tensor& b) { return ((a > b) + (a >= b)) * 0.5; }

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  return record("maximum", kernels::maximum(a, b),
                wrt(a, [a, b](const Tensor& g) { return g * share_above(a, b); }),
                wrt(b, [a, b](const Tensor& g) { return g * share_above(b, a); }));
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return record("minimum", kernels::minimum(a, b),
                wrt(a, [a, b](const Tensor& g) { return g * share_above(b, a); }),
                wrt(b, [a, b](const Tensor& g) { return g * share_above(a, b); }));
}

}  // namespace rill
