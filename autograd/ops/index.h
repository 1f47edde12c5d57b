#pragma once

#include "rill/tensor/tensor.h"

// Elements by index. Indices are int64, else DTypeError; a negative index counts from the end, and one out of
// range throws ValueError naming it.

namespace rill {

/// Elements `indices` of an axis, in the shape of x with that axis replaced by the axes of indices: the rows
/// of an embedding.
Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& indices);
/// Zeros of `shape` to whose elements `indices` of an axis x is added: the adjoint of index_select.
Tensor index_add(const Tensor& x, const Shape& shape, std::int64_t axis, const Tensor& indices);
/// out[i][j] = x[indices[i][j]][j] for axis 0, and so on. indices has the rank of x and its sizes, or smaller
/// ones, off the axis.
Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& indices);
/// x with values[i][j] added at [indices[i][j]][j] for axis 0, and so on. An index may occur several times.
Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& indices, const Tensor& values);
/// 1 at the index, else 0, along a new last axis of that many classes. Without a gradient. A negative index
/// throws ValueError, too: a label does not count from the end.
Tensor one_hot(const Tensor& indices, std::int64_t classes, DType dtype = DType::float32);

}  // namespace rill
