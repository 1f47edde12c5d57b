#pragma once

#include "rill/tensor/tensor.h"

namespace rill {

/// (x - mean) / sqrt(variance + epsilon) * gain + bias along the last axis, with the mean of squared
/// deviations as variance (Ba et al. 2016, eq. 3 and 4). x [..., n], gain and bias [n] -> the shape of x.
/// In float32 a row whose deviation is beyond 8e37 becomes the bias. Throws ShapeError for other shapes,
/// DTypeError for int64 and where dtypes differ.
Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon = 1e-5);

/// added + layer_norm(x, gain, bias, epsilon) in one pass, written over `added` where nobody else has it:
/// give it with std::move. `added` has the shape and dtype of x.
Tensor layer_norm_add(const Tensor& x, const Tensor& gain, const Tensor& bias, Tensor added,
                      double epsilon = 1e-5);

}  // namespace rill
