#include "rill/tensor/kernels/bfloat16.h"

#include <algorithm>

#include "rill/tensor/kernels/transpose.h"

namespace rill::gemm {

Matrix<Bfloat16> round_matrix(const Matrix<float>& from, std::int64_t rows, std::int64_t columns,
                              Bfloat16* to) {
  const std::int64_t lines = from.transposed ? columns : rows, length = from.transposed ? rows : columns;
  for (std::int64_t i = 0; i < lines; ++i) {
    const float* line = from.data + i * from.stride;
    for (std::int64_t j = 0; j < length; ++j) to[i * length + j] = round_to_bfloat16(line[j]);
  }
  return {to, length, from.transposed};
}

namespace blocks {
namespace {

constexpr std::int64_t tall = 16;

/// Where a column of words begins, and the rows that go there; one of them may be missing.
void fill_pair(const float* upper, const float* lower, std::int64_t width, std::uint32_t* to) {
  if (upper && lower)
    for (std::int64_t j = 0; j < width; ++j) to[j] = bfloat16_bits(upper[j]) >> 16 | bfloat16_bits(lower[j]);
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

}  // namespace blocks
}  // namespace rill::gemm
