#pragma once

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {

/// Does what takes `bytes` bytes of memory. Throws Error, naming `what`, where the system refuses them.
template <class F>
auto with_memory(std::string_view what, std::uint64_t bytes, F&& take) {
  try {
    return take();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  throw Error(fmt::format("{}: the system does not give {} bytes of memory", what, bytes));
}

/// `size` bytes of that value.
inline std::vector<std::uint8_t> make_bytes(std::string_view what, std::uint64_t size,
                                            std::uint8_t value = 0) {
  return with_memory(what, size, [&] { return std::vector<std::uint8_t>(size, value); });
}

}  // namespace rill::data::detail
