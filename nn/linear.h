#pragma once

#include <optional>
#include <string>

#include "rill/nn/fields.h"
#include "rill/nn/initializers.h"

namespace rill::nn {

struct LinearOptions {
  bool bias = true;
  Initializer kernel_initializer = {};  ///< glorot_uniform()
  Initializer bias_initializer = {};    ///< zeros
};

/// y = x kernel + bias, along the last axis: [..., in] -> [..., out].
struct Linear {
  Parameter kernel;               ///< [in, out]
  std::optional<Parameter> bias;  ///< [out]

  /// Throws ValueError for sizes below 0.
  Linear(std::int64_t in, std::int64_t out, const LinearOptions& options = {});
  /// Throws ShapeError unless the last axis of x has size `in`.
  Tensor operator()(const Tensor& x) const;
  Fields fields() { return {{"kernel", kernel}, {"bias", bias}}; }
  std::string kind() const { return "Linear"; }
};

}  // namespace rill::nn
