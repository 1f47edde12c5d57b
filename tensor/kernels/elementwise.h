#pragma once

// Elementwise kernels. Operands broadcast by NumPy's rule; dtypes must agree, except that a weak scalar (a
// C++ number) takes the dtype of the other operand. A result whose operands are dense in one common order of
// axes keeps that order in memory. Errors carry the name of the operation.

#include "rill/tensor/tensor.h"

namespace rill::kernels {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);      ///< floating dtypes only
Tensor pow(const Tensor& a, const Tensor& b);      ///< floating dtypes only
Tensor maximum(const Tensor& a, const Tensor& b);  ///< NaN where either is NaN
Tensor minimum(const Tensor& a, const Tensor& b);

// Comparisons give 1 or 0 in the dtype of the operands.
Tensor equal(const Tensor& a, const Tensor& b);
Tensor not_equal(const Tensor& a, const Tensor& b);
Tensor less(const Tensor& a, const Tensor& b);
Tensor less_equal(const Tensor& a, const Tensor& b);
Tensor greater(const Tensor& a, const Tensor& b);
Tensor greater_equal(const Tensor& a, const Tensor& b);

/// a where condition is not 0, else b; the condition may have any dtype.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

// Unary. Floating dtypes only, except neg, abs, square, sign, relu and clamp.
Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor softplus(const Tensor& x);  ///< log(1 + exp(x)) without overflow
Tensor sign(const Tensor& x);      ///< -1, 0 or 1; NaN stays NaN
Tensor reciprocal(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);  ///< 1 - erf(x) with all its digits
Tensor clamp(const Tensor& x, double low, double high);
Tensor isfinite(const Tensor& x);  ///< 1 or 0

/// Whether every element is finite; stops at the first that is not.
bool all_finite(const Tensor& x);

/// x += y in place where x is the sole owner of its elements, else into a new tensor that x becomes. y
/// broadcasts to x.
void accumulate(Tensor& x, const Tensor& y);

}  // namespace rill::kernels
