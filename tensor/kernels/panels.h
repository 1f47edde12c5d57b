#pragma once

// How the columns of a product's right operand are cut, and weights that are kept cut that way.

#include <cstdint>
#include <type_traits>

#include "rill/tensor/kernels/bfloat16.h"
#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/tensor.h"

namespace rill::gemm {

/// Panels of columns, each but the last `width` wide, a multiple of `granule`. The cut depends on the number
/// of columns alone, so that a packed weight fits every left operand.
struct Panels {
  std::int64_t columns, width, count;
  Panels(std::int64_t columns, std::int64_t granule);
  static Panels whole(std::int64_t columns) { return {columns, columns, 1}; }
  std::int64_t begin(std::int64_t panel) const { return panel * width; }
  std::int64_t size(std::int64_t panel) const { return panel + 1 < count ? width : columns - panel * width; }

 private:
  Panels(std::int64_t c, std::int64_t w, std::int64_t n) : columns(c), width(w), count(n) {}
};

/// The panels that products of T are cut into.
template <class T>
Panels panels_of(std::int64_t columns) {
  return {columns, std::is_same_v<T, Bfloat16> ? blocks::columns : 16};
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
