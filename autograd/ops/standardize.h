#pragma once

#include "rill/tensor/tensor.h"

namespace rill {

/// (x - mean) / sqrt(variance + epsilon) along the last axis, with the mean of squared deviations as
/// variance: what layer normalisation does before gain and bias (Ba et al. 2016, eq. 3). x [..., n] -> the
/// same shape. Throws ShapeError for rank 0, DTypeError for int64.
Tensor standardize(const Tensor& x, double epsilon = 1e-5);

}  // namespace rill
