#pragma once

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// Writes (x - mean) / sqrt(variance + epsilon) * gain + bias to `out` for each row along the last axis, on
/// top of `added` where that holds a value; `out` may be `added`. The variance is the mean of squares.
/// Returns [rows, 2]: the means, and 1 / sqrt(variance + epsilon). x has rank 1 or more and a floating dtype,
/// which gain and bias [n] share; `out` and `added` have the shape of x, and `out` is contiguous.
Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon,
                  const Tensor& added, const Tensor& out);

/// The gradients of x, and [parts, n] whose sums along the first axis are those of gain and bias.
struct LayerNormGradient {
  Tensor x, gain, bias;
};

/// From the gradient g of the value and what `layer_norm` returned.
LayerNormGradient layer_norm_gradient(const Tensor& g, const Tensor& x, const Tensor& gain,
                                      const Tensor& moments);

}  // namespace rill::kernels
