#pragma once

#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::flow {

/// The Euclidean norm of each example's row at each time step: float64 [time, batch], from tensors
/// [batch, ...] by time step, such as the gradients dL/dh_t of which Bengio et al. (1994) and Pascanu et al.
/// (2013, eq. 5) ask how they vanish. A tensor that holds no value, as a gradient where nothing flows, counts
/// as zeros. Sums are taken in double and scaled where squares would underflow, so that norms down to 1e-300
/// are right. Throws ShapeError for batches that differ, ValueError for no tensors or none that holds a
/// value.
Tensor norms_over_time(const std::vector<Tensor>& by_time);

}  // namespace rill::flow
