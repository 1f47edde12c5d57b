#pragma once

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// Rows along the last axis brought to mean 0 and variance 1.
struct Standardized {
  Tensor value;  ///< the shape of x
  Tensor scale;  ///< 1 / sqrt(variance + epsilon), with 1 as last size
};

/// (x - mean) / sqrt(variance + epsilon) for each row; the variance is the mean of squares. x has rank 1 or
/// more and a floating dtype.
Standardized standardize(const Tensor& x, double epsilon);

/// The gradient of x from that of the value: scale * (g - mean(g) - value * mean(g * value)) for each row.
Tensor standardize_gradient(const Tensor& g, const Standardized& y);

}  // namespace rill::kernels
