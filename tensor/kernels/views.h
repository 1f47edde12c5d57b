#pragma once

// Views: other readings of the same elements. None copies, except `reshape` where the layout forces it.

#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// Elements start, start + step, ... (excluded: stop) of one axis. `start` lies in [0, size], `step` may be
/// negative; `length` elements are taken.
Tensor window(const Tensor& x, int axis, std::int64_t start, std::int64_t length, std::int64_t step = 1);
/// Axis `order[i]` of x becomes axis i.
Tensor permute(const Tensor& x, const Dims& order);
Tensor transpose(const Tensor& x, int a, int b);
/// Axes of size 1, and new leading axes, repeated without a copy. Throws ShapeError.
Tensor expand(const Tensor& x, const Shape& shape);
/// A view where the layout allows one, else a contiguous copy. One size may be -1. Throws ShapeError.
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor squeeze(const Tensor& x, int axis);
Tensor unsqueeze(const Tensor& x, int axis);

}  // namespace rill::kernels
