#pragma once

// Kernels that move elements between places. Indices are int64; a negative index counts from the end; one out
// of range throws ValueError naming the index, its place and the size.

#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// Throws ShapeError unless all sizes but that of `axis` agree, DTypeError unless the dtypes do.
Tensor concat(const std::vector<Tensor>& parts, int axis);
Tensor stack(const std::vector<Tensor>& parts, int axis);
/// `value` before and after each axis; one {before, after} an axis.
Tensor pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths, double value);
Tensor flip(const Tensor& x, const Dims& axes);
/// Rows `indices` (any shape) of `axis`: the shape of x with that axis replaced by the shape of indices.
Tensor index_select(const Tensor& x, int axis, const Tensor& indices);
/// The adjoint of index_select: zeros of `shape`, to whose rows `indices` of `axis` the rows of `values` are
/// added.
Tensor index_add(const Shape& shape, int axis, const Tensor& indices, const Tensor& values);
/// out[i][j] = x[indices[i][j]][j] for axis 0, and so on; indices has x's rank and at most its sizes off the
/// axis.
Tensor gather(const Tensor& x, int axis, const Tensor& indices);
/// The adjoint of gather: x with values[i][j] added at [indices[i][j]][j], and so on.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& values);
/// The shape of indices with a last axis of `classes`: 1 at the index, else 0.
Tensor one_hot(const Tensor& indices, std::int64_t classes, DType dtype);

}  // namespace rill::kernels
