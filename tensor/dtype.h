#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rill {

/// The element type of a tensor, chosen at run time.
enum class DType : std::uint8_t {
  float32,  ///< the default
  float64,  ///< for checks and research
  int64,    ///< for indices and labels
};

template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>;

/// The DType of a C++ element type.
template <Element T>
constexpr DType dtype_of() {
  if constexpr (std::same_as<T, float>) return DType::float32;
  if constexpr (std::same_as<T, double>) return DType::float64;
  return DType::int64;
}

/// "float32", "float64" or "int64".
std::string_view name(DType dtype);

/// The number of bytes of one element.
constexpr std::size_t size_of(DType dtype) { return dtype == DType::float32 ? 4 : 8; }

constexpr bool is_floating(DType dtype) { return dtype != DType::int64; }

}  // namespace rill
