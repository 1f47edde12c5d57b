#pragma once

#include <cstdint>
#include <span>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {

/// The largest length and number of examples of a generated task: no product of sizes overflows below it.
inline constexpr std::int64_t largest_size = 100'000'000;

/// Throws ValueError unless `size` lies in [least, largest_size].
inline void check_size(const char* task, const char* what, std::int64_t size, std::int64_t least) {
  if (size < least || size > largest_size)
    throw ValueError(
        fmt::format("{}: {} is {}; expected one from {} to {}", task, what, size, least, largest_size));
}

/// Writes symbols, each below `width`, as rows of `width` bytes that a dataset reads as one-hot, over zeros.
/// Returns where the next would go.
inline std::uint8_t* write_one_hot(std::span<const std::uint8_t> symbols, std::int64_t width,
                                   std::uint8_t* out) {
  for (const std::uint8_t symbol : symbols) {
    out[symbol] = 255;
    out += width;
  }
  return out;
}

}  // namespace rill::data::detail
