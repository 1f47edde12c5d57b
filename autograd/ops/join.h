#pragma once

#include <vector>

#include "rill/tensor/tensor.h"

// Dtypes must agree, else DTypeError. Throw ShapeError for sizes that differ off the axis, ValueError for no
// tensors.

namespace rill {

/// Tensors one after another along an axis that they have.
Tensor concat(const std::vector<Tensor>& parts, std::int64_t axis = 0);
/// Tensors of one shape one after another along a new axis, at that place of the result.
Tensor stack(const std::vector<Tensor>& parts, std::int64_t axis = 0);

}  // namespace rill
