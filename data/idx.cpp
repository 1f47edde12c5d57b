#include "rill/data/idx.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "rill/data/gzip.h"
#include "rill/data/input_file.h"
#include "rill/data/memory.h"
#include "rill/tensor/error.h"

namespace rill::data {
namespace {

// The bytes of a file, decompressed where it is a gzip file.
class Source {
 public:
  explicit Source(detail::InputFile& file) : file_(file) {
    if (detail::is_gzip(file)) gzip_.emplace(file);
  }
  std::size_t read(std::span<std::uint8_t> out) { return gzip_ ? gzip_->read(out) : file_.read(out); }
  // No file of this size holds more: deflate writes at least a byte for so many.
  std::uint64_t most_bytes() const {
    constexpr std::uint64_t largest_ratio = 1032;
    return file_.size() * (gzip_ ? largest_ratio : 1);
  }
  // How many bytes follow, where that is known without reading them.
  std::optional<std::uint64_t> remaining() const {
    return gzip_ ? std::nullopt : std::optional(file_.remaining());
  }

 private:
  detail::InputFile& file_;
  std::optional<detail::GzipReader> gzip_;
};

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

// The sizes of a hostile header may multiply to more than 64 bits hold; no file has that many bytes. Where a
// size is 0 there are none to read, but no tensor has such a shape.
std::uint64_t product(const Shape& shape, const std::string& path) {
  std::uint64_t result = 1;
  bool is_empty = false, fits = true;
  for (const std::int64_t size : shape)
    if (size == 0)
      is_empty = true;
    else
      fits = fits && !__builtin_mul_overflow(result, static_cast<std::uint64_t>(size), &result) &&
             result <= std::numeric_limits<std::int64_t>::max();
  if (is_empty && !fits)
    throw FileError(fmt::format("{}: the sizes {} are too large for a shape", path, to_string(shape)));
  if (!fits) return std::numeric_limits<std::uint64_t>::max();
  return is_empty ? 0 : result;
}

// Up to `count` bytes, fewer where the source ends. Memory is taken as they come, whatever a header promises.
std::vector<std::uint8_t> read_up_to(Source& source, std::uint64_t count, const std::string& path) {
  constexpr std::uint64_t chunk = 1 << 20;
  std::vector<std::uint8_t> bytes;
  const std::uint64_t most = std::min(count, source.most_bytes());
  rill::detail::with_memory(path, most, 1, [&] { bytes.reserve(most); });
  while (bytes.size() < most) {
    const std::size_t before = bytes.size();
    const std::uint64_t asked = std::min(chunk, most - before);
    bytes.resize(before + asked);
    const std::size_t found = source.read(std::span(bytes).subspan(before));
    bytes.resize(before + found);
    if (found < asked) break;
  }
  return bytes;
}

}  // namespace

Idx read_idx(const std::string& path, int rank) {
  return detail::read_idx(path, rank, [](const Shape&) {});
}

Idx detail::read_idx(const std::string& path, int rank, const std::function<void(const Shape&)>& check) {
  constexpr int largest_rank = 255;
  if (rank < 0 || rank > largest_rank)
    throw ValueError(fmt::format("read_idx: {} axes; expected 0 to {}", rank, largest_rank));
  detail::InputFile file(path);
  Source source(file);

  std::array<std::uint8_t, 4 + 4 * largest_rank> bytes{};
  const std::size_t header = 4 + 4 * static_cast<std::size_t>(rank);
  const std::size_t read = source.read(std::span(bytes).first(header));
  const std::uint32_t expected = 0x0800U | static_cast<std::uint32_t>(rank);
  if (read >= 4 && big_endian(bytes.data()) != expected)
    throw FileError(fmt::format(
        "{}: wrong magic number 0x{:08x}: an IDX file of unsigned bytes with {} axes begins with 0x{:08x}",
        path, big_endian(bytes.data()), rank, expected));
  if (read < header)
    throw FileError(
        fmt::format("{}: truncated: {} bytes, where the header alone has {}", path, read, header));

  Idx idx;
  for (int axis = 0; axis < rank; ++axis) idx.shape.push_back(big_endian(bytes.data() + 4 + 4 * axis));
  check(idx.shape);
  const std::uint64_t promised = product(idx.shape, path);
  if (const auto found = source.remaining(); found && *found > promised)
    throw FileError(fmt::format("{}: {} trailing bytes after the {} that its sizes {} promise", path,
                                *found - promised, promised, to_string(idx.shape)));
  idx.bytes = read_up_to(source, promised, path);
  if (idx.bytes.size() < promised)
    throw FileError(fmt::format("{}: truncated: {} bytes after the header, where its sizes {} promise {}",
                                path, idx.bytes.size(), to_string(idx.shape), promised));
  if (source.read(std::span(bytes).first(1)) > 0)
    throw FileError(fmt::format("{}: trailing bytes after the {} that its sizes {} promise", path, promised,
                                to_string(idx.shape)));
  return idx;
}

}  // namespace rill::data
