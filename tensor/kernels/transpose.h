#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rill::gemm {

using Vector [[gnu::vector_size(32)]] = float;

/// to = the transpose of an 8 x 8 matrix of words of 32 bits, by pairs, pairs of pairs and halves. Strides
/// are between rows, in bytes.
inline void transpose_eight(const std::byte* from, std::int64_t stride, std::byte* to,
                            std::int64_t to_stride) {
  Vector row[8], pair[8], quad[8];
  for (int i = 0; i < 8; ++i) std::memcpy(&row[i], from + i * stride, sizeof(Vector));
  for (int i = 0; i < 8; i += 2) {
    pair[i] = __builtin_shufflevector(row[i], row[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pair[i + 1] = __builtin_shufflevector(row[i], row[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      quad[i + 2 * j] = __builtin_shufflevector(pair[i + j], pair[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      quad[i + 2 * j + 1] = __builtin_shufflevector(pair[i + j], pair[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int i = 0; i < 4; ++i) {
    const Vector low = __builtin_shufflevector(quad[i], quad[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    const Vector high = __builtin_shufflevector(quad[i], quad[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    std::memcpy(to + i * to_stride, &low, sizeof(Vector));
    std::memcpy(to + (i + 4) * to_stride, &high, sizeof(Vector));
  }
}

/// The same of 16 x 16, in whole cache lines.
inline void transpose_tile(const void* from, std::int64_t stride, void* to, std::int64_t to_stride) {
  constexpr std::int64_t word = sizeof(float);
  for (int i : {0, 8})
    for (int j : {0, 8})
      transpose_eight(static_cast<const std::byte*>(from) + i * stride + j * word, stride,
                      static_cast<std::byte*>(to) + j * to_stride + i * word, to_stride);
}

}  // namespace rill::gemm
