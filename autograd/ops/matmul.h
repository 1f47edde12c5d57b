#pragma once

#include "rill/tensor/tensor.h"

// Matrix products, for floating dtypes that agree. The gradients of a weight matrix that a tape sees used
// several times, such as at every time step, are gathered into one product.

namespace rill {

/// a [..., m, k] x b [..., k, n] -> [..., m, n]; leading axes broadcast. A vector counts as a row on the left
/// and as a column on the right, and its axis is dropped: [k] x [k, n] -> [n], [m, k] x [k] -> [m], [k] x [k]
/// -> a scalar. Where a is one zero, repeated, such as an initial state, the product is zeros, whatever b
/// holds. Throws ShapeError for inner sizes that differ and for scalars.
Tensor matmul(const Tensor& a, const Tensor& b);

/// c + a x b in one step, for a [..., k], a matrix b [k, n] and c that broadcasts to [..., n], such as a bias
/// [n]. A c of the result's shape that is given away (std::move) and that nothing else holds on to is written
/// over.
Tensor matmul_add(const Tensor& a, const Tensor& b, Tensor c);

/// a_i b_j of two vectors: [m] and [n] -> [m, n].
Tensor outer(const Tensor& a, const Tensor& b);

}  // namespace rill
