#include "rill/data/idx.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "rill/data/gzip.h"
#include "rill/tensor/error.h"

namespace rill::data {
namespace {

std::vector<std::uint8_t> read_bytes(const std::string& path) {
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored))
    throw FileError(fmt::format("{}: a folder, where a file was expected", path));
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw FileError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw FileError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  return bytes;
}

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

// The sizes of a hostile header may multiply to more than 64 bits hold; no file has that many bytes.
std::uint64_t product(const Shape& shape) {
  std::uint64_t result = 1;
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(result, static_cast<std::uint64_t>(size), &result))
      return std::numeric_limits<std::uint64_t>::max();
  return result;
}

}  // namespace

Idx read_idx(const std::string& path, int rank) {
  std::vector<std::uint8_t> bytes = read_bytes(path);
  if (detail::is_gzip(bytes)) bytes = detail::gunzip(bytes, path);

  const std::uint32_t expected = 0x0800U | static_cast<std::uint32_t>(rank);
  if (bytes.size() >= 4 && big_endian(bytes.data()) != expected)
    throw FileError(fmt::format(
        "{}: wrong magic number 0x{:08x}: an IDX file of unsigned bytes with {} axes begins with 0x{:08x}",
        path, big_endian(bytes.data()), rank, expected));
  const std::size_t header = 4 + 4 * static_cast<std::size_t>(rank);
  if (bytes.size() < header)
    throw FileError(
        fmt::format("{}: truncated: {} bytes, where the header alone has {}", path, bytes.size(), header));

  Idx idx;
  for (int axis = 0; axis < rank; ++axis) idx.shape.push_back(big_endian(bytes.data() + 4 + 4 * axis));
  const std::uint64_t promised = product(idx.shape);
  const std::uint64_t found = bytes.size() - header;
  if (found < promised)
    throw FileError(fmt::format("{}: truncated: {} bytes after the header, where its sizes {} promise {}",
                                path, found, to_string(idx.shape), promised));
  if (found > promised)
    throw FileError(fmt::format("{}: {} trailing bytes after the {} that its sizes {} promise", path,
                                found - promised, promised, to_string(idx.shape)));
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
  idx.bytes = std::move(bytes);
  return idx;
}

}  // namespace rill::data
