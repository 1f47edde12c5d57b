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

__mmask16 first(std::int64_t count) {
  return static_cast<__mmask16>(count >= lanes ? 0xffffu : (1u << count) - 1);
}

inline void round_elements(const float* from, std::int64_t count, Bfloat16* to) {
  for (std::int64_t j = 0; j < count; j += lanes) {
    const __mmask16 mask = first(count - j);
    const auto rounded = std::bit_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + j)));
    _mm256_mask_storeu_epi16(to + j, mask, rounded);
  }
}

/// Words of two elements, one above the other.
inline void round_pairs(const float* upper, const float* lower, std::int64_t count, std::uint32_t* to) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                         22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (std::int64_t j = 0; j < count; j += lanes) {
    const __mmask16 mask = first(count - j);
    const auto rounded = std::bit_cast<__m512i>(
        _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(mask, lower + j), _mm512_maskz_loadu_ps(mask, upper + j)));
    _mm512_mask_storeu_epi32(to + j, mask, _mm512_permutexvar_epi16(order, rounded));
  }
}

#else

inline void round_elements(const float* from, std::int64_t count, Bfloat16* to) {
  for (std::int64_t j = 0; j < count; ++j) to[j] = round_to_bfloat16(from[j]);
}

inline void round_pairs(const float* upper, const float* lower, std::int64_t count, std::uint32_t* to) {
  for (std::int64_t j = 0; j < count; ++j) to[j] = bfloat16_bits(upper[j]) >> 16 | bfloat16_bits(lower[j]);
}

#endif

}  // namespace

void round_line(const float* from, std::int64_t count, Bfloat16* to) { round_elements(from, count, to); }

Matrix<Bfloat16> round_matrix(const Matrix<float>& from, std::int64_t rows, std::int64_t columns,
                              Bfloat16* to) {
  const std::int64_t lines = from.transposed ? columns : rows, length = from.transposed ? rows : columns;
  for (std::int64_t i = 0; i < lines; ++i)
    round_elements(from.data + i * from.stride, length, to + i * length);
  return {to, length, from.transposed};
}

namespace blocks {
namespace {

constexpr std::int64_t tall = 16, line = 64 / sizeof(float);

/// Where a column of words begins, and the rows that go there; one of them may be missing.
void fill_pair(const float* upper, const float* lower, std::int64_t width, std::uint32_t* to) {
  if (upper && lower && width == columns) return round_pairs(upper, lower, columns, to);
  if (upper && lower)
    round_pairs(upper, lower, width, to);
  else if (upper)
    for (std::int64_t j = 0; j < width; ++j) to[j] = bfloat16_bits(upper[j]) >> 16;
  else  // the upper row came with an earlier call
    for (std::int64_t j = 0; j < width; ++j) to[j] |= bfloat16_bits(lower[j]);
  if (upper) std::fill(to + width, to + columns, 0u);
}

}  // namespace

void fill(const Matrix<float>& from, std::int64_t first, std::int64_t height, std::int64_t depth,
          std::int64_t width, std::uint32_t* to) {
  const std::int64_t end = first + height, padded = (depth + rows - 1) / rows * rows;
  const std::int64_t strip = padded / 2 * columns;
  float tile[tall][columns];
  for (std::int64_t r = first; r < end;) {
    // Along dense rows, two at a time; or else as high as tiles are that are transposed.
    const std::int64_t high = from.transposed ? tall : 2, stop = std::min(end, (r / high + 1) * high);
    for (std::int64_t c = 0; c < width; c += columns) {
      const std::int64_t wide = std::min(columns, width - c);
      const float* begin = from.data + (r - first) * from.stride + c;
      std::int64_t stride = from.stride;
      if (from.transposed) {
        const float* source = from.data + c * from.stride + r - first;
        const std::int64_t whole = stop - r == tall ? wide / tall * tall : 0;
        for (std::int64_t j = 0; j < whole; j += tall)
          transpose_tile(source + j * from.stride, from.stride, tile[0] + j, columns);
        for (std::int64_t j = whole; j < wide; ++j)
          for (std::int64_t i = 0; i < stop - r; ++i) tile[i][j] = source[j * from.stride + i];
        begin = tile[0];
        stride = columns;
      }
      std::uint32_t* const words = to + c / columns * strip;
      // What comes two pairs of rows later lies too far apart for the processor to foresee.
      if (!from.transposed)
        for (std::int64_t j = 0; j < wide; j += line) {
          __builtin_prefetch(begin + 4 * stride + j);
          __builtin_prefetch(begin + 5 * stride + j);
          __builtin_prefetch(words + (r / 2 + 2) * columns + j, 1);
        }
      for (std::int64_t pair = r / 2; pair <= (stop - 1) / 2; ++pair)
        fill_pair(2 * pair >= r ? begin + (2 * pair - r) * stride : nullptr,
                  2 * pair + 1 < stop ? begin + (2 * pair + 1 - r) * stride : nullptr, wide,
                  words + pair * columns);
    }
    r = stop;
  }
  if (end == depth)
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
