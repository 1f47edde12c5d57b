#pragma once

#include "rill/autograd/ops/reduce.h"

// Other readings of the same elements, for every dtype. None copies, except contiguous, flip and, where the
// layout forces it, reshape. Axes may be negative. All throw ShapeError for what does not fit.

namespace rill {

/// The elements in row-major order in another shape of the same count. One size may be -1, which stands for
/// the rest.
Tensor reshape(const Tensor& x, const Shape& shape);
/// Two axes exchanged; without any named, the last two.
Tensor transpose(const Tensor& x, std::int64_t a = -2, std::int64_t b = -1);
/// Axis order[i] of x becomes axis i.
Tensor permute(const Tensor& x, const Axes& order);
/// Axes of size 1, and new leading axes, repeated.
Tensor expand(const Tensor& x, const Shape& shape);
/// Without these axes, which must have size 1; without any named, without all axes of size 1.
Tensor squeeze(const Tensor& x, const Axes& axes = {});
/// With a new axis of size 1 at that place of the result.
Tensor unsqueeze(const Tensor& x, std::int64_t axis);
/// The elements of these axes in reverse order; without any named, of all axes.
Tensor flip(const Tensor& x, const Axes& axes = {});
/// x itself where its elements lie in row-major order without gaps, else a copy that does.
Tensor contiguous(const Tensor& x);

}  // namespace rill
