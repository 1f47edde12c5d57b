#pragma once

#include <vector>

#include "rill/tensor/tensor.h"

// Private to flow/: lengths of vectors whose elements may be so small, or so large, that their squares are
// not.

namespace rill::flow {

/// The Euclidean norm of all elements, summed in double. Throws DTypeError for int64.
double length(const Tensor& x);

/// That of each row of x [rows, ...].
std::vector<double> row_lengths(const Tensor& x);

}  // namespace rill::flow
