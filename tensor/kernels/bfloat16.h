#pragma once

#include <bit>
#include <cstdint>

namespace rill::gemm {

/// The upper half of a float32.
struct Bfloat16 {
  std::uint16_t bits;
};

/// The nearest bfloat16, of two the even one; NaN stays NaN.
inline Bfloat16 round_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40u;
  return {static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded)};
}

inline float to_float(Bfloat16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }

}  // namespace rill::gemm
