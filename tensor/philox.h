#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rill {

/// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four 32-bit numbers
/// from a counter and a key, for as many blocks at once as the compiler puts side by side. result[j][i] is
/// number j of block first + i.
template <std::size_t Blocks>
std::array<std::array<std::uint32_t, Blocks>, 4> philox(std::uint64_t first, std::uint64_t key) {
  std::array<std::array<std::uint32_t, Blocks>, 4> c{};
  for (std::size_t i = 0; i < Blocks; ++i) {
    const std::uint64_t block = first + i;
    c[0][i] = static_cast<std::uint32_t>(block);
    c[1][i] = static_cast<std::uint32_t>(block >> 32);
    c[2][i] = 0;
    c[3][i] = 0;
  }
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < Blocks; ++i) {
      const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0][i];
      const std::uint64_t b = std::uint64_t{0xCD9E8D57} * c[2][i];
      c[0][i] = static_cast<std::uint32_t>(b >> 32) ^ c[1][i] ^ key0;
      c[2][i] = static_cast<std::uint32_t>(a >> 32) ^ c[3][i] ^ key1;
      c[1][i] = static_cast<std::uint32_t>(b);
      c[3][i] = static_cast<std::uint32_t>(a);
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return c;
}

}  // namespace rill
