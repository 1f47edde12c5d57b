#pragma once

#include "rill/tensor/tensor.h"

// Comparisons give 1 or 0 in the dtype of their operands. Shapes broadcast, dtypes must agree. They have no
// gradient: the results are constants.

namespace rill {

Tensor equal(const Tensor& a, const Tensor& b);
Tensor not_equal(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
/// 1 where x is neither infinite nor NaN.
Tensor isfinite(const Tensor& x);

/// a where the condition is not 0, else b. All three broadcast; the condition may have any dtype. The one
/// that was taken gets the gradient, the other 0. That 0 times an infinite slope is NaN further up: guard the
/// argument of a function that is singular where it is not taken, as in where(x > 0, log(where(x > 0, x, 1)),
/// 0).
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

}  // namespace rill
