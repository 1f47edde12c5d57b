#pragma once

// A stack of matrix products of one size, cut into blocks. The cut follows from sizes and layouts alone,
// never from the number of threads, so that this cannot change a result.

#include <algorithm>

#include "rill/tensor/kernels/matmul_operand.h"
#include "rill/tensor/kernels/panels.h"
#include "rill/tensor/threads.h"

namespace rill::gemm {

/// What is added to the products: elements with any strides, 0 where one repeats.
template <class T>
struct Addend {
  const T* data = nullptr;
  std::int64_t row_stride = 0, column_stride = 0;
};

/// A rectangle of one of the products.
struct Block {
  std::int64_t product, row, rows, column, columns;
};

/// Blocks of rows by panels of columns.
struct Cut {
  std::int64_t m, n, k;
  Panels panels;
  std::int64_t block_rows;

  /// Floating-point operations that are worth being a part of their own.
  static constexpr std::int64_t worth_part = 8'000'000;
  /// Blocks have `fewest_rows` or more, if there are as many, and about `part` floating-point operations.
  Cut(std::int64_t m, std::int64_t n, std::int64_t k, const Panels& panels, std::int64_t fewest_rows,
      std::int64_t part = worth_part);
  /// Calls body for all blocks of `products` products, spread over the threads where it is worth that.
  void over_blocks(std::int64_t products, detail::FunctionRef<void(const Block&)> body) const;
  /// Whether one product is worth more than one thread.
  bool is_large() const;
  /// Whether so many products take so long that a signal should not wait for the last of them.
  bool is_long(std::int64_t products) const;
};

/// The matrix of an operand that a product of a stack with these leading axes reads.
template <class T>
Matrix<T> matrix_of(const Operand& x, const Dims& batch, std::int64_t product) {
  Matrix<T> matrix = x.matrix<T>();
  for (int i = batch.size() - 1, j = x.batch.size() - 1; j >= 0; --i, --j) {
    if (x.batch[j] != 1) matrix.data += product % batch[i] * x.batch_strides[j];
    product /= batch[i];
  }
  return matrix;
}

/// Writes the products of a stack with these leading axes to c, or adds them to it. No size is 0.
template <class T>
void multiply_stack(const Operand& a, const Operand& b, const Dims& batch, T* c, const Addend<T>& addend,
                    bool accumulate);

/// The same of operands rounded to bfloat16.
void multiply_stack_rounded(const Operand& a, const Operand& b, const Dims& batch, float* c,
                            const Addend<float>& addend, bool accumulate);

/// Whether the operands of a float32 product with a right operand of this size are to be rounded.
bool rounds_operands(std::int64_t rows, std::int64_t columns);

/// to = from + addend over a block.
template <class T>
void add_block(const Block& at, const T* from, std::int64_t from_stride, const Addend<T>& addend, T* to,
               std::int64_t to_stride) {
  for (std::int64_t i = 0; i < at.rows; ++i, from += from_stride, to += to_stride) {
    if (!addend.data) {
      std::copy_n(from, at.columns, to);
      continue;
    }
    const T* added = addend.data + (at.row + i) * addend.row_stride + at.column * addend.column_stride;
    if (addend.column_stride == 1)
      for (std::int64_t j = 0; j < at.columns; ++j) to[j] = from[j] + added[j];
    else
      for (std::int64_t j = 0; j < at.columns; ++j) to[j] = from[j] + added[j * addend.column_stride];
  }
}

}  // namespace rill::gemm
