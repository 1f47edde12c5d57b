#pragma once

#include "rill/tensor/tensor.h"

namespace rill {

/// The elements in another dtype; x itself where it has that dtype. Gradients pass between floating dtypes;
/// from and to int64 there are none. To int64 it truncates towards zero, and throws ValueError for what int64
/// cannot hold.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace rill
