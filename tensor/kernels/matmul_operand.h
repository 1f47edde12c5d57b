#pragma once

// What the kinds of matrix products share: seeing a tensor's last axes as a matrix that backends can read,
// and errors.

#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/tensor.h"

namespace rill::gemm {

/// A tensor as a stack of matrices [rows, columns], whose rows or columns are dense.
struct Operand {
  Tensor tensor;  ///< a copy where the given one had to be copied
  Dims batch, batch_strides;
  std::int64_t rows, columns, stride;
  bool transposed;

  template <class T>
  Matrix<T> matrix() const {
    return {detail::TensorAccess::data<T>(tensor), stride, transposed};
  }
};

enum class Side { left, right };

/// Reads x, of rank 1 or more; a vector is a row on the left and a column on the right. A left side that
/// repeats zero is not copied: only its sizes are good, and its products need no more.
Operand operand(const Tensor& x, Side side);

/// Makes all leading axes of a stack rows of one matrix, copying x where its layout does not allow that and
/// its matrices have so few rows that they are not worth products of their own. Leaves it as it is otherwise.
void join_rows(Operand& x);

/// Whether x is one zero, repeated: the state that a recurrent layer begins with. Its products are zeros,
/// whatever it is multiplied by.
bool repeats_zero(const Tensor& x);

/// Throws DTypeError unless both hold the same floating dtype; a number takes that of the other.
void agree_on_dtype(Tensor& a, Tensor& b, const char* operation);

}  // namespace rill::gemm
