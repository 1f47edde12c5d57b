#pragma once

// Private to nn/: the size of several gates together.

#include <cstdint>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::nn {

/// Throws ValueError, naming the layer, where int64 cannot count them.
inline std::int64_t gates_together(const char* layer, std::int64_t gates, std::int64_t size) {
  std::int64_t together = 0;
  if (__builtin_mul_overflow(gates, size, &together))
    throw ValueError(
        fmt::format("{}: {} times the size {} is more than int64 can count", layer, gates, size));
  return together;
}

}  // namespace rill::nn
