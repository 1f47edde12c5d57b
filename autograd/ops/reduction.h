#pragma once

#include "rill/autograd/ops/reduce.h"

// What the operations that reduce share; not for users.

namespace rill::detail {

/// Which axes of a shape an operation reduces.
struct Reduction {
  Shape shape;             ///< of the input
  Shape kept;              ///< the same with 1 for each reduced axis
  Dims axes;               ///< from the front, rising
  std::int64_t count = 1;  ///< of the elements that are reduced into one

  Reduction(const Shape& of, const Axes& which, const char* operation);
};

/// Throws DTypeError, naming the operation, for int64.
void require_floating(const Tensor& x, const char* operation);

}  // namespace rill::detail
