#pragma once

// How the columns of a product's right operand are cut, and weights that are kept cut that way.

#include <cstdint>

#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/tensor.h"

namespace rill::gemm {

/// Panels of columns, each but the last `width` wide. The cut depends on the number of columns alone, so that
/// a packed weight fits every left operand.
struct Panels {
  std::int64_t columns, width, count;
  explicit Panels(std::int64_t columns);
  std::int64_t begin(std::int64_t panel) const { return panel * width; }
  std::int64_t size(std::int64_t panel) const { return panel + 1 < count ? width : columns - panel * width; }
};

/// Copies [rows, columns] into dense rows, rounding float to Bfloat16 where `To` is that.
template <class To, class From>
void copy_dense(const Matrix<From>& from, std::int64_t rows, std::int64_t columns, To* to);

/// The same elements in the same order, dense and rounded, in `to`.
Matrix<Bfloat16> round_rows(const Matrix<float>& from, std::int64_t rows, std::int64_t columns, Bfloat16* to);

/// Whether the operands of a float32 product with a right operand of this size are to be rounded to bfloat16.
bool rounds_operands(std::int64_t rows, std::int64_t columns);

/// The panels of a weight b [k, n], one after the other, each [k, its width] with dense rows. Made at the
/// first call and kept beside b's bytes until these change; so the pointer is valid as long as b. Null where
/// b is not worth packing: its elements are used once, or it is one panel already, or too many other parts of
/// its storage are packed.
template <class To, class From>
const To* packed_panels(const Tensor& b, const Matrix<From>& matrix, std::int64_t k, std::int64_t n);

}  // namespace rill::gemm
