#pragma once

// Reductions. `axes` holds axes counted from the front in rising order (see normalize_axes); keepdims leaves
// sizes of 1. Float32 sums add up in blocks, so that the error does not grow with the length.

#include "rill/tensor/tensor.h"

namespace rill::kernels {

Tensor sum(const Tensor& x, const Dims& axes, bool keepdims);
Tensor prod(const Tensor& x, const Dims& axes, bool keepdims);
/// Throw ShapeError over an axis of size 0, which has no largest element. NaN wins.
Tensor max(const Tensor& x, const Dims& axes, bool keepdims);
Tensor min(const Tensor& x, const Dims& axes, bool keepdims);
/// The place of the first largest element of an axis, int64. NaN wins.
Tensor argmax(const Tensor& x, int axis, bool keepdims);
Tensor cumsum(const Tensor& x, int axis);
/// Stable log(sum(exp(x))); -infinity over an empty axis.
Tensor logsumexp(const Tensor& x, const Dims& axes, bool keepdims);
// Rows that are all -infinity give zeros, and -infinity.
Tensor softmax(const Tensor& x, int axis);
Tensor log_softmax(const Tensor& x, int axis);
/// The same with all digits where it is near 0, too; no value where it is not near 0 anywhere.
Tensor exact_near_zero(const Tensor& x, int axis, const Tensor& log_softmax);
/// Sums the axes along which `shape` was broadcast to x's shape, so that the result has `shape`. x itself
/// where they are equal.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace rill::kernels
