#pragma once

#include "rill/tensor/tensor.h"

namespace rill {

/// exp(x) divided by its sum along an axis, without overflow. Floating dtypes only.
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
/// The logarithm of softmax, exact for values of any size: x - logsumexp(x).
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);

}  // namespace rill
