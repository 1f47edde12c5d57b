#pragma once

#include "rill/autograd/record.h"

// What the operations that may write over an operand share; not for users.

namespace rill::detail {

/// Whether an operation may write its output, of that shape and dtype, over c, of which the caller has given
/// up its copy. A check that values are finite shows what went into an operation, so all of that has to stay.
inline bool may_write_over(const Tensor& c, const Shape& shape, DType dtype) {
  return !checking && c.shape() == shape && c.dtype() == dtype && c.is_contiguous() &&
         TensorAccess::owns_elements(c) && !TensorAccess::body(c).weak;
}

/// The same elements, which c will not see any more, as a new value.
inline Tensor written_over(const Tensor& c) {
  Tensor value = TensorAccess::view(c, TensorAccess::body(c).offset, c.shape(), c.strides());
  TensorAccess::set_alone(value);
  return value;
}

}  // namespace rill::detail
