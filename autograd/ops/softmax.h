#pragma once

#include "rill/tensor/tensor.h"

namespace rill {

// Floating dtypes only. An element of -infinity is excluded: its softmax is 0 and so is its gradient. Where
// all elements along the axis are, softmax gives zeros, whose gradients are 0, and log_softmax -infinity.
// Where one is infinite or NaN, the result is NaN.

/// exp(x) divided by its sum along an axis, without overflow.
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
/// The logarithm of softmax, exact for values of any size, also near 0: x - logsumexp(x).
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);

}  // namespace rill
