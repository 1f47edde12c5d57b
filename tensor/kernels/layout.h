#pragma once

#include <span>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// The axes from the largest stride to the smallest, whichever way a stride points.
Dims memory_order(const Dims& strides);

/// Whether the elements fill a stretch of memory without gaps or repeats, in some order of the axes.
bool is_dense(const Tensor& x);

/// Whether elements share a place.
bool has_repeats(const Tensor& x);

/// Whether lines of rows that many bytes apart compete for a few sets of the first-level cache.
bool share_cache_sets(std::int64_t bytes);

/// Uninitialised memory for that shape, with gaps between rows that would compete in the cache otherwise:
/// products read such a matrix as fast as a copy of it.
Tensor empty_matrix(const Shape& shape, DType dtype);

/// The first operand that is laid out over all of `shape`, whose order of axes a loop follows; null if there
/// is none.
const Tensor* leading_operand(std::span<const Tensor> operands, const Shape& shape);

/// The axes of a loop over several operands.
struct Layout {
  Dims sizes;                 ///< outermost first; never empty
  std::vector<Dims> strides;  ///< of each operand, in elements
};

/// A loop over `shape` in that order of axes, where axes that lie beside each other in every operand are one.
/// Operands broadcast to `shape`; those that hold no value have strides of 0.
Layout collapse(const Shape& shape, std::span<const Tensor> operands, const Dims& order);

}  // namespace rill::kernels
