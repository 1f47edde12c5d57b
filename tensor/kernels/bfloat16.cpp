#include "rill/tensor/kernels/bfloat16.h"

#include <algorithm>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "rill/tensor/kernels/transpose.h"

namespace rill::gemm {

namespace {

#if defined(__AVX512BF16__)

// Sixteen at a time by the processor's own conversion, for which subnormal numbers are zeros, as they are for
// its products.
constexpr std::int64_t lanes = 16;

__mmask16 first(std::int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }

inline void round_elements(const float* from, std::int64_t count, Bfloat16* to) {
  std::int64_t j = 0;
  for (; j + lanes <= count; j += lanes) {
    const auto rounded = std::bit_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from + j)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + j), rounded);
  }
  if (j == count) return;
  const __mmask16 mask = first(count - j);
  const auto rounded = std::bit_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + j)));
  _mm256_mask_storeu_epi16(to + j, mask, rounded);
}

/// Words of two elements, one above the other.
inline void round_pairs(const float* upper, const float* lower, std::int64_t count, std::uint32_t* to) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                         22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const auto words = [&](__m512 above, __m512 below) {
    return _mm512_permutexvar_epi16(order, std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(below, above)));
  };
  std::int64_t j = 0;
  for (; j + lanes <= count; j += lanes)
    _mm512_storeu_si512(to + j, words(_mm512_loadu_ps(upper + j), _mm512_loadu_ps(lower + j)));
  if (j == count) return;
  const __mmask16 mask = first(count - j);
  _mm512_mask_storeu_epi32(
      to + j, mask, words(_mm512_maskz_loadu_ps(mask, upper + j), _mm512_maskz_loadu_ps(mask, lower + j)));
}

#else

inline void round_elements(const float* from, std::int64_t count, Bfloat16* to) {
  for (std::int64_t j = 0; j < count; ++j) to[j] = round_to_bfloat16(from[j]);
}

inline void round_pairs(const float* upper, const float* lower, std::int64_t count, std::uint32_t* to) {
  for (std::int64_t j = 0; j < count; ++j) to[j] = bfloat16_bits(upper[j]) >> 16 | bfloat16_bits(lower[j]);
}

#endif

// A tile has as many lines as words, each of them as wide as one of the cache; a word holds two elements.
constexpr std::int64_t tile = 16, word = sizeof(std::uint32_t);

/// Dense lines, each to its own.
void round_lines(const float* from, std::int64_t stride, std::int64_t lines, std::int64_t length,
                 Bfloat16* to, std::int64_t to_stride) {
  for (std::int64_t i = 0; i < lines; ++i) round_elements(from + i * stride, length, to + i * to_stride);
}

}  // namespace

Matrix<Bfloat16> round_matrix(const Matrix<float>& from, std::int64_t rows, std::int64_t columns,
                              Bfloat16* to) {
  const std::int64_t lines = from.transposed ? columns : rows, length = from.transposed ? rows : columns;
  round_lines(from.data, from.stride, lines, length, to, length);
  return {to, length, from.transposed};
}

void round_transposed(const Matrix<float>& from, std::int64_t rows, std::int64_t columns, Bfloat16* to,
                      std::int64_t stride) {
  if (from.transposed) return round_lines(from.data, from.stride, columns, rows, to, stride);
  // Rows in pairs are words, and a column of words is what one line of the transpose holds.
  std::uint32_t words[tile][tile];
  const std::int64_t tiled_rows = rows / (2 * tile) * (2 * tile), tiled_columns = columns / tile * tile;
  for (std::int64_t i = 0; i < tiled_rows; i += 2 * tile)
    for (std::int64_t j = 0; j < tiled_columns; j += tile) {
      const float* row = from.data + i * from.stride + j;
      for (auto& line : words) {
        round_pairs(row, row + from.stride, tile, line);
        row += 2 * from.stride;
      }
      transpose_tile(words, sizeof words[0], to + j * stride + i, stride * word / 2);
    }
  for (std::int64_t j = 0; j < columns; ++j)
    for (std::int64_t i = j < tiled_columns ? tiled_rows : 0; i < rows; ++i)
      to[j * stride + i] = round_to_bfloat16(from.data[i * from.stride + j]);
}

namespace blocks {
namespace {

/// Rows [row, row + height) of a column of blocks, one by one: an upper row begins its words, a lower one
/// comes into their other halves.
void fill_one_by_one(const Matrix<float>& from, std::int64_t row, std::int64_t height, std::int64_t width,
                     std::uint32_t* to) {
  const std::int64_t step = from.transposed ? from.stride : 1;
  for (std::int64_t i = 0; i < height; ++i) {
    const float* const elements = from.from(i, 0).data;
    std::uint32_t* const words = to + (row + i) / 2 * columns;
    if ((row + i) % 2 == 1) {
      for (std::int64_t j = 0; j < width; ++j) words[j] |= bfloat16_bits(elements[j * step]);
    } else {
      for (std::int64_t j = 0; j < width; ++j) words[j] = bfloat16_bits(elements[j * step]) >> 16;
      std::fill(words + width, words + columns, 0u);
    }
  }
}

/// Two rows at a time.
void fill_from_rows(const Matrix<float>& from, std::int64_t first, std::int64_t height, std::int64_t strip,
                    std::int64_t width, std::uint32_t* to) {
  for (std::int64_t i = 0; i < height;) {
    const std::int64_t row = first + i, high = row % 2 == 0 && i + 1 < height ? 2 : 1;
    for (std::int64_t c = 0; c < width; c += columns) {
      const std::int64_t wide = std::min(columns, width - c);
      const Matrix<float> pair = from.from(i, c);
      std::uint32_t* const words = to + c / columns * strip;
      if (high == 1) {
        fill_one_by_one(pair, row, 1, wide, words);
        continue;
      }
      // What comes two pairs of rows later lies too far apart for the processor to foresee.
      std::uint32_t* const line = words + row / 2 * columns;
      for (std::int64_t j = 0; j < wide; j += tile) {
        __builtin_prefetch(pair.data + 4 * from.stride + j);
        __builtin_prefetch(pair.data + 5 * from.stride + j);
        __builtin_prefetch(line + 2 * columns + j, 1);
      }
      round_pairs(pair.data, pair.data + from.stride, wide, line);
      std::fill(line + wide, line + columns, 0u);
    }
    i += high;
  }
}

/// A whole block from dense columns, in which two neighbours are a word already.
void fill_block(const Matrix<float>& from, std::int64_t width, std::uint32_t* to) {
  Bfloat16 words[tile][rows];
  for (std::int64_t j = 0; j < columns; j += tile) {
    for (std::int64_t k = 0; k < tile; ++k) {
      if (j + k >= width) {
        std::fill_n(words[k], rows, Bfloat16{});
        continue;
      }
      const float* column = from.from(0, j + k).data;
      // What it goes on with is one of too many places for the processor to foresee.
      for (std::int64_t next = 0; next < rows; next += tile) __builtin_prefetch(column + rows + next, 0, 2);
      round_elements(column, rows, words[k]);
    }
    transpose_tile(words, sizeof words[0], to + j, columns * word);
  }
}

void fill_from_columns(const Matrix<float>& from, std::int64_t first, std::int64_t height, std::int64_t strip,
                       std::int64_t width, std::uint32_t* to) {
  for (std::int64_t c = 0; c < width; c += columns, to += strip) {
    const std::int64_t wide = std::min(columns, width - c);
    for (std::int64_t i = 0; i < height;) {
      const std::int64_t row = first + i, high = std::min(height - i, rows - row % rows);
      if (high == rows)
        fill_block(from.from(i, c), wide, to + row / 2 * columns);
      else
        fill_one_by_one(from.from(i, c), row, high, wide, to);
      i += high;
    }
  }
}

}  // namespace

void fill(const Matrix<float>& from, std::int64_t first, std::int64_t height, std::int64_t depth,
          std::int64_t width, std::uint32_t* to) {
  const std::int64_t strip = (depth + rows - 1) / rows * rows / 2 * columns;
  (from.transposed ? fill_from_columns : fill_from_rows)(from, first, height, strip, width, to);
  if (first + height == depth)
    for (std::int64_t c = 0; c < width; c += columns, to += strip)
      std::fill(to + (depth + 1) / 2 * columns, to + strip, 0u);
}

void clear(std::int64_t first, std::int64_t last, std::int64_t depth, std::int64_t width, std::uint32_t* to) {
  const std::int64_t strip = (depth + rows - 1) / rows * rows / 2 * columns;
  for (std::int64_t c = 0; c < width; c += columns, to += strip)
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t j = 0; j < columns; ++j)
        to[r / 2 * columns + j] &= r % 2 == 0 ? 0xffff0000u : 0x0000ffffu;
}

}  // namespace blocks
}  // namespace rill::gemm
