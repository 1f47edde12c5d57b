#pragma once

#include <string>

#include "rill/nn/fields.h"

namespace rill::nn {

/// (x - mean) / sqrt(variance + epsilon) * gain + bias, over the last axis, whose size is given (Ba et al.
/// 2016).
struct LayerNorm {
  Parameter gain;  ///< [size], ones
  Parameter bias;  ///< [size], zeros
  double epsilon;

  explicit LayerNorm(std::int64_t size, double epsilon = 1e-5);
  /// Throws ShapeError unless the last axis of x has that size.
  Tensor operator()(const Tensor& x) const;
  Fields fields() { return {{"gain", gain}, {"bias", bias}}; }
  std::string kind() const { return "LayerNorm"; }
};

}  // namespace rill::nn
