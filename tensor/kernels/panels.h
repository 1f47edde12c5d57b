#pragma once

// How the columns of a product's right operand are cut, and weights that are kept cut that way.

#include <array>
#include <cstdint>
#include <type_traits>

#include "rill/tensor/kernels/bfloat16.h"
#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/tensor.h"

namespace rill::gemm {

/// Panels of columns: each half of them in panels that become narrower, so that of two threads the one that
/// is done first finds something to take over. The cut depends on the number of columns alone, so that a
/// packed weight fits every left operand.
class Panels {
 public:
  /// Panels begin at multiples of `granule` and are, where that is possible, multiples of `kernel` wide.
  Panels(std::int64_t columns, std::int64_t granule, std::int64_t kernel);
  static Panels whole(std::int64_t columns);

  std::int64_t count() const { return count_; }
  std::int64_t begin(std::int64_t panel) const {
    return panel / in_half_ * half_ + begin_in_half(panel % in_half_);
  }
  std::int64_t size(std::int64_t panel) const {
    return (panel + 1 < count_ ? begin(panel + 1) : columns_) - begin(panel);
  }

 private:
  Panels() = default;
  std::int64_t begin_in_half(std::int64_t panel) const {
    return panel < wide_ ? panel * widest_ : narrower_[static_cast<std::size_t>(panel - wide_)];
  }

  std::int64_t columns_ = 0, half_ = 0, in_half_ = 1, count_ = 1;
  std::int64_t widest_ = 0, wide_ = 0;         // so many of a half's panels are as wide as any
  std::array<std::int64_t, 4> narrower_ = {};  // where the others begin
};

/// The panels that products of T are cut into.
template <class T>
Panels panels_of(std::int64_t columns) {
  // oneDNN's kernels multiply 48 columns of float32 at a time where the processor has AVX-512.
  return std::is_same_v<T, Bfloat16> ? Panels(columns, blocks::columns, blocks::columns)
                                     : Panels(columns, 16, 48);
}

/// Copies [rows, columns] into dense rows `stride` elements apart.
template <class T>
void copy_rows(const Matrix<T>& from, std::int64_t rows, std::int64_t columns, T* to, std::int64_t stride);

/// The panels of a weight b [k, n], one after the other, each [k, its width] with dense rows; those of
/// Bfloat16 in blocks. Made at the first call and kept beside b's bytes until these change; so the pointer is
/// valid as long as b. Null where b is not worth packing: its elements are used once, or it is one panel
/// already, or too many other parts of its storage are packed.
template <class T>
const T* packed_panels(const Tensor& b, const Matrix<T>& matrix, std::int64_t k, std::int64_t n);
const std::uint32_t* packed_blocks(const Tensor& b, const Matrix<float>& matrix, std::int64_t k,
                                   std::int64_t n);

}  // namespace rill::gemm
