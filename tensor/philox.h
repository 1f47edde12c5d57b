#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace rill {
namespace philox_words {

// A number stands in the lower half of 64 bits, where a product of two fits; what the upper half holds has no
// effect. Instructions multiply just so, but compilers do not find them in the product of masked words.
#if defined(__AVX512F__)
using Words [[gnu::vector_size(64)]] = std::uint64_t;
inline Words multiply(std::uint32_t a, Words b) {
  return reinterpret_cast<Words>(_mm512_mul_epu32(_mm512_set1_epi64(a), reinterpret_cast<__m512i>(b)));
}
#elif defined(__AVX2__)
using Words [[gnu::vector_size(32)]] = std::uint64_t;
inline Words multiply(std::uint32_t a, Words b) {
  return reinterpret_cast<Words>(_mm256_mul_epu32(_mm256_set1_epi64x(a), reinterpret_cast<__m256i>(b)));
}
#elif defined(__SSE2__)
using Words [[gnu::vector_size(16)]] = std::uint64_t;
inline Words multiply(std::uint32_t a, Words b) {
  return reinterpret_cast<Words>(_mm_mul_epu32(_mm_set1_epi64x(a), reinterpret_cast<__m128i>(b)));
}
#else
using Words [[gnu::vector_size(16)]] = std::uint64_t;
inline Words multiply(std::uint32_t a, Words b) { return a * (b & 0xFFFFFFFF); }
#endif
inline std::uint64_t multiply(std::uint32_t a, std::uint64_t b) { return a * (b & 0xFFFFFFFF); }

template <class Word, std::size_t N>
[[gnu::always_inline]] inline void rounds(Word (&c)[4][N], std::uint64_t key) {
  std::uint64_t key0 = key & 0xFFFFFFFF, key1 = key >> 32;
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < N; ++i) {
      const Word a = multiply(0xD2511F53, c[0][i]), b = multiply(0xCD9E8D57, c[2][i]);
      c[0][i] = (b >> 32) ^ c[1][i] ^ key0;
      c[2][i] = (a >> 32) ^ c[3][i] ^ key1;
      c[1][i] = b;
      c[3][i] = a;
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

}  // namespace philox_words

/// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four 32-bit numbers
/// from a counter and a key.
inline std::array<std::uint32_t, 4> philox(std::uint64_t block, std::uint64_t key) {
  std::uint64_t c[4][1] = {{block}, {block >> 32}, {0}, {0}};
  philox_words::rounds(c, key);
  std::array<std::uint32_t, 4> result;
  for (std::size_t j = 0; j < 4; ++j) result[j] = static_cast<std::uint32_t>(c[j][0]);
  return result;
}

constexpr std::size_t philox_group = 16;

/// The same for a group of blocks side by side: result[j][i] is number j of block first + i.
inline std::array<std::array<std::uint32_t, philox_group>, 4> philox_blocks(std::uint64_t first,
                                                                            std::uint64_t key) {
  using philox_words::Words;
  constexpr std::size_t lanes = sizeof(Words) / sizeof(std::uint64_t), parts = philox_group / lanes;
  static constexpr auto places = [] {
    std::array<std::uint64_t, philox_group> numbers{};
    for (std::size_t i = 0; i < philox_group; ++i) numbers[i] = i;
    return numbers;
  }();
  Words c[4][parts] = {};
  // Sums of vectors, because a vector of numbers that were just written one by one takes long to read.
  std::memcpy(c[0], places.data(), sizeof places);
  for (std::size_t i = 0; i < parts; ++i) {
    c[0][i] += first;
    c[1][i] = c[0][i] >> 32;
  }
  philox_words::rounds(c, key);
  using Numbers [[gnu::vector_size(sizeof(Words) / 2)]] = std::uint32_t;
  std::array<std::array<std::uint32_t, philox_group>, 4> result;
  for (std::size_t j = 0; j < 4; ++j)
    for (std::size_t i = 0; i < parts; ++i) {
      const auto numbers = __builtin_convertvector(c[j][i], Numbers);
      std::memcpy(result[j].data() + i * lanes, &numbers, sizeof numbers);
    }
  return result;
}

}  // namespace rill
