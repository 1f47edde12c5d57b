#include "rill/train/tensor_json.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::train {
namespace {

constexpr std::int64_t largest_readable = 64;
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static_assert(std::endian::native == std::endian::little,
              "the bytes of a tensor are written as they are in memory");

std::string encode_base64(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? alphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::vector<std::byte> decode_base64(const JsonPlace& place) {
  static const auto values = [] {
    std::array<int, 256> table;
    table.fill(-1);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
      table[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
    return table;
  }();
  std::string_view text = place.text();
  const auto fail = [&](std::size_t position, const char* why) {
    throw FileError(fmt::format("{}: bad base64 at position {}: {}", place.where(), position, why));
  };
  if (text.size() % 4 != 0) fail(text.size(), "the length is not a multiple of 4");
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  text.remove_suffix(padding);
  std::vector<std::byte> out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  int bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = values[static_cast<unsigned char>(text[i])];
    if (value < 0) fail(i, "a character that base64 does not have");
    group = (group << 6 | static_cast<std::uint32_t>(value)) & 0xFFFF;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<std::byte>(group >> bits & 255));
  }
  // So that one list of bytes has one text.
  if ((group & ((1U << bits) - 1)) != 0) fail(text.size() - 1, "the last character holds bits of no byte");
  return out;
}

template <class T>
bool readable(std::span<const T> values) {
  if (static_cast<std::int64_t>(values.size()) > largest_readable) return false;
  for (const T v : values)
    if (!std::isfinite(static_cast<double>(v))) return false;
  return true;
}

template <class T>
void write_values(Json& json, const Tensor& tensor) {
  const auto vector = tensor.to_vector<T>();
  const std::span<const T> values(vector);
  if (readable(values))
    json["values"] = vector;
  else
    json["base64"] = encode_base64(std::as_bytes(values));
}

template <class T>
T read_value(const JsonPlace& list, std::size_t i) {
  const Json& json = list.json()[i];
  if constexpr (std::is_integral_v<T>) {
    const bool fits = json.is_number_unsigned() ? json.get<std::uint64_t>() <= std::numeric_limits<T>::max()
                                                : json.is_number_integer();
    if (!fits) list[i].fail("a whole number of 64 bits");
  } else {
    if (!json.is_number() || std::abs(json.get<double>()) > std::numeric_limits<T>::max())
      list[i].fail(fmt::format("a number that {} can hold", name(dtype_of<T>())));
  }
  return json.get<T>();
}

template <class T>
std::vector<T> read_values(const JsonPlace& json) {
  std::vector<T> values;
  if (json.has("values") == json.has("base64")) json.fail("either \"values\" or \"base64\"");
  if (json.has("values")) {
    const JsonPlace list = json["values"];
    if (!list.json().is_array()) list.fail("a list of numbers");
    for (std::size_t i = 0; i < list.json().size(); ++i) values.push_back(read_value<T>(list, i));
  } else {
    const auto bytes = decode_base64(json["base64"]);
    if (bytes.size() % sizeof(T) != 0)
      throw FileError(fmt::format("{}: {} bytes are not a whole number of {} elements",
                                  json["base64"].where(), bytes.size(), name(dtype_of<T>())));
    values.resize(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  }
  return values;
}

// Sizes whose product, zeros aside, is a count: then strides and bytes are, too.
Shape read_shape(const JsonPlace& json) {
  constexpr std::size_t largest_rank = 64;
  const Json& list = json.json();
  if (!list.is_array() || list.size() > largest_rank)
    json.fail(fmt::format("a list of at most {} sizes", largest_rank));
  Shape shape;
  std::int64_t product = 1;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::int64_t size = json[i].count();
    if (size > 0 && (__builtin_mul_overflow(product, size, &product) || product > largest_count))
      throw FileError(fmt::format("{}: the product of the sizes is more than 2^53", json.where()));
    shape.push_back(size);
  }
  return shape;
}

template <class T>
Tensor read_tensor(const JsonPlace& json) {
  const Shape shape = read_shape(json["shape"]);
  const auto values = read_values<T>(json);
  if (static_cast<std::int64_t>(values.size()) != count(shape))
    throw FileError(
        fmt::format("{}: {} elements do not fill shape {}", json.where(), values.size(), to_string(shape)));
  return Tensor::from(values, shape);
}

}  // namespace

Json to_json(const Tensor& tensor) {
  Json json;
  json["dtype"] = name(tensor.dtype());
  json["shape"] = std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end());
  switch (tensor.dtype()) {
    case DType::float32:
      write_values<float>(json, tensor);
      break;
    case DType::float64:
      write_values<double>(json, tensor);
      break;
    case DType::int64:
      write_values<std::int64_t>(json, tensor);
      break;
  }
  return json;
}

Tensor tensor_from_json(const JsonPlace& json) {
  const JsonPlace dtype = json["dtype"];
  if (dtype.json() == "float32") return read_tensor<float>(json);
  if (dtype.json() == "float64") return read_tensor<double>(json);
  if (dtype.json() == "int64") return read_tensor<std::int64_t>(json);
  dtype.fail("\"float32\", \"float64\" or \"int64\"");
}

}  // namespace rill::train
