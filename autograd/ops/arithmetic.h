#pragma once

#include "rill/tensor/tensor.h"

// Elementwise arithmetic of two operands. Shapes broadcast by NumPy's rule, else ShapeError. Dtypes must
// agree, else DTypeError; a C++ number takes the dtype of the other operand.

namespace rill {

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
/// Floating dtypes only.
Tensor operator/(const Tensor& a, const Tensor& b);

// a = a + b, and so on: a new value under the old name. What the tape knows of the old one stays as it was.
Tensor& operator+=(Tensor& a, const Tensor& b);
Tensor& operator-=(Tensor& a, const Tensor& b);
Tensor& operator*=(Tensor& a, const Tensor& b);
Tensor& operator/=(Tensor& a, const Tensor& b);

/// base^exponent, floating dtypes only. At base 0 the gradients are the limits from above: with respect to
/// the base 0, 1 or infinity for an exponent above, at or below 1 (0 for exponent 0), with respect to the
/// exponent 0. A negative base has a value for whole exponents and NaN as its gradient with respect to the
/// exponent.
Tensor pow(const Tensor& base, const Tensor& exponent);

/// The larger of each pair; NaN where either is NaN. Where neither is larger each gets half of the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
/// The smaller of each pair, likewise.
Tensor minimum(const Tensor& a, const Tensor& b);

}  // namespace rill
