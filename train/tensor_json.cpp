#include "rill/train/tensor_json.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::train {
namespace {

using Json = nlohmann::ordered_json;

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

// Nothing where the text is not base64.
std::optional<std::string> decode_base64(std::string_view text) {
  static const auto values = [] {
    std::array<int, 256> table;
    table.fill(-1);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
      table[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
    return table;
  }();
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  text.remove_suffix(padding);
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(group >> bits & 255);
  }
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
Tensor read_values(const Json& json, const Shape& shape, const std::string& where) {
  std::vector<T> values;
  if (json.contains("values")) {
    const Json& list = json.at("values");
    if (!list.is_array()) throw FileError(fmt::format("{}: \"values\" is no list of numbers", where));
    for (const Json& v : list) {
      if (!v.is_number())
        throw FileError(fmt::format("{}: \"values\" holds {}, which is no number", where, v.dump()));
      values.push_back(v.get<T>());
    }
  } else {
    const auto bytes = json.contains("base64") && json.at("base64").is_string()
                           ? decode_base64(json.at("base64").get_ref<const std::string&>())
                           : std::nullopt;
    if (!bytes) throw FileError(fmt::format("{}: it has neither \"values\" nor \"base64\" text", where));
    if (bytes->size() % sizeof(T) != 0)
      throw FileError(fmt::format("{}: {} bytes are no whole number of {} elements", where, bytes->size(),
                                  name(dtype_of<T>())));
    values.resize(bytes->size() / sizeof(T));
    std::memcpy(values.data(), bytes->data(), bytes->size());
  }
  if (static_cast<std::int64_t>(values.size()) != count(shape))
    throw FileError(
        fmt::format("{}: {} elements do not fill shape {}", where, values.size(), to_string(shape)));
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

Tensor tensor_from_json(const Json& json, const std::string& where) {
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") || !json.at("shape").is_array())
    throw FileError(fmt::format("{}: it is no tensor with a dtype and a shape", where));
  Shape shape;
  for (const Json& size : json.at("shape")) {
    if (!size.is_number_integer() || size.get<std::int64_t>() < 0)
      throw FileError(fmt::format("{}: its shape holds {}, which is no size", where, size.dump()));
    shape.push_back(size.get<std::int64_t>());
  }
  const Json& dtype = json.at("dtype");
  if (dtype == "float32") return read_values<float>(json, shape, where);
  if (dtype == "float64") return read_values<double>(json, shape, where);
  if (dtype == "int64") return read_values<std::int64_t>(json, shape, where);
  throw FileError(fmt::format("{}: {} is no dtype", where, dtype.dump()));
}

}  // namespace rill::train
