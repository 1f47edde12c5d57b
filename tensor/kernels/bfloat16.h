#pragma once

#include <bit>
#include <cstdint>

#include "rill/tensor/kernels/gemm.h"

namespace rill::gemm {

/// The bits of the nearest bfloat16, of two the even one, in the upper half of a word; NaN stays NaN. A
/// processor with an instruction of its own for it rounds subnormal numbers to zero.
inline std::uint32_t bfloat16_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  const std::uint32_t quiet = bits | 0x400000u;
  return ((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded) & 0xffff0000u;
}

inline Bfloat16 round_to_bfloat16(float value) {
  return {static_cast<std::uint16_t>(bfloat16_bits(value) >> 16)};
}
inline float to_float(Bfloat16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }

/// Copies the elements in the order in which they lie, dense and rounded.
Matrix<Bfloat16> round_matrix(const Matrix<float>& from, std::int64_t rows, std::int64_t columns,
                              Bfloat16* to);

/// Copies the transpose, rounded, to dense rows `stride` elements apart.
void round_transposed(const Matrix<float>& from, std::int64_t rows, std::int64_t columns, Bfloat16* to,
                      std::int64_t stride);

/// A right operand as processors multiply bfloat16: blocks of 32 rows by 64 columns, all of a column of
/// blocks one after the other. A block holds 16 x 64 words, each of which is two elements, one below the
/// other in the matrix, the upper one in the lower half. What lies outside of the matrix is 0.
namespace blocks {

constexpr std::int64_t rows = 32, columns = 64;

/// The words that a matrix takes.
constexpr std::int64_t count(std::int64_t depth, std::int64_t width) {
  return (depth + rows - 1) / rows * ((width + columns - 1) / columns) * (rows / 2 * columns);
}

/// Rounds rows [first, first + height) of a matrix [depth, width] into their places. They are written from
/// the first to the last row of the matrix, in one call or several.
void fill(const Matrix<float>& from, std::int64_t first, std::int64_t height, std::int64_t depth,
          std::int64_t width, std::uint32_t* to);

/// Makes rows [first, last) of a filled matrix [depth, width] zeros.
void clear(std::int64_t first, std::int64_t last, std::int64_t depth, std::int64_t width, std::uint32_t* to);

}  // namespace blocks
}  // namespace rill::gemm
