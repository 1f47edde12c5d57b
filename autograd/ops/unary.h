#pragma once

#include "rill/tensor/tensor.h"

// Elementwise functions of one tensor. Floating dtypes only, else DTypeError; neg, abs, square, sign and
// clamp take int64 too.

namespace rill {

Tensor neg(const Tensor& x);
Tensor operator-(const Tensor& x);
/// The gradient at 0 is 0.
Tensor abs(const Tensor& x);
/// -1, 0 or 1; a constant.
Tensor sign(const Tensor& x);
Tensor square(const Tensor& x);
/// 1 / x
Tensor reciprocal(const Tensor& x);
/// The gradient at 0 is infinite; see `norm` for a length that has one.
Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x). At 0 the value is infinite and so is the gradient.
Tensor rsqrt(const Tensor& x);
Tensor exp(const Tensor& x);
/// exp(x) - 1, exact near 0.
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
/// log(1 + x), exact near 0.
Tensor log1p(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
/// 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
Tensor erf(const Tensor& x);
/// x limited to [low, high]. The gradient passes inside and on the bounds. Throws ValueError when low exceeds
/// high.
Tensor clamp(const Tensor& x, double low, double high);

}  // namespace rill
