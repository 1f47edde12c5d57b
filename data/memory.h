#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rill/tensor/storage.h"

namespace rill::data::detail {

/// `size` bytes of that value.
inline std::vector<std::uint8_t> make_bytes(std::string_view what, std::uint64_t size,
                                            std::uint8_t value = 0) {
  return rill::detail::with_memory(what, size, 1, [&] { return std::vector<std::uint8_t>(size, value); });
}

}  // namespace rill::data::detail
