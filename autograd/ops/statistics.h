#pragma once

#include "rill/autograd/ops/reduce.h"

// Floating dtypes only.

namespace rill {

struct VarianceOptions {
  std::int64_t correction = 1;  ///< the sum of squares is divided by the number of elements less this
  bool keepdims = false;
};

/// The variance: unbiased (Bessel's correction) unless `correction` is 0. NaN, with its gradient, over as
/// many elements as the correction or fewer, such as the default over one element.
Tensor variance(const Tensor& x, const Axes& axes = {}, VarianceOptions options = {});
/// The standard deviation, the square root of the variance, also where that is too large or too small for the
/// dtype. Where the variance is 0 the gradient is 0.
Tensor standard_deviation(const Tensor& x, const Axes& axes = {}, VarianceOptions options = {});
/// The Euclidean norm, the square root of the sum of squares, also where squares are too large or too small
/// for the dtype. At 0 the gradient is 0.
Tensor norm(const Tensor& x, const Axes& axes = {}, ReduceOptions options = {});

}  // namespace rill
