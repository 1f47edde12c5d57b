#include "rill/data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {
namespace {

// inflateEnd must run however the reading ends.
struct Stream : z_stream {
  Stream() : z_stream{} {
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (inflateInit2(this, gzip_only) != Z_OK) throw Error("gunzip: zlib has no memory for its window");
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { inflateEnd(this); }
};

bool is_gzip_at(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  return bytes.size() >= at + 2 && bytes[at] == 0x1f && bytes[at + 1] == 0x8b;
}

// The last four bytes say how much a file holds, but only a size that deflate can reach is believed.
std::size_t expected_size(const std::vector<std::uint8_t>& bytes) {
  constexpr std::size_t largest_ratio = 1032;
  std::size_t size = 0;
  for (std::size_t i = 1; i <= 4; ++i) size = size << 8 | bytes[bytes.size() - i];
  return std::min(size, bytes.size() * largest_ratio);
}

}  // namespace

bool is_gzip(const std::vector<std::uint8_t>& bytes) { return is_gzip_at(bytes, 0); }

std::vector<std::uint8_t> gunzip(const std::vector<std::uint8_t>& bytes, const std::string& path) {
  constexpr std::size_t header_and_trailer = 18;
  constexpr std::size_t chunk = 1 << 18;
  if (bytes.size() < header_and_trailer)
    throw FileError(fmt::format("{}: the gzip data ends too early", path));

  Stream stream;
  std::vector<std::uint8_t> out;
  out.reserve(expected_size(bytes));
  std::vector<std::uint8_t> buffer(chunk);
  std::size_t used = 0;
  bool member_ended = false;
  while (used < bytes.size() || !member_ended) {
    if (member_ended) {
      if (!is_gzip_at(bytes, used))
        throw FileError(fmt::format("{}: {} trailing bytes after the gzip data", path, bytes.size() - used));
      inflateReset(&stream);
      member_ended = false;
    }
    const std::size_t offered = std::min<std::size_t>(bytes.size() - used, std::numeric_limits<uInt>::max());
    stream.next_in = const_cast<Bytef*>(bytes.data() + used);  // zlib's interface lacks the const
    stream.avail_in = static_cast<uInt>(offered);
    stream.next_out = buffer.data();
    stream.avail_out = static_cast<uInt>(buffer.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    used += offered - stream.avail_in;
    out.insert(out.end(), buffer.begin(), buffer.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
    if (status == Z_STREAM_END)
      member_ended = true;
    else if (status == Z_BUF_ERROR)
      throw FileError(fmt::format("{}: the gzip data ends too early", path));
    else if (status != Z_OK)
      throw FileError(
          fmt::format("{}: the gzip data is damaged: {}", path, stream.msg ? stream.msg : zError(status)));
  }
  return out;
}

}  // namespace rill::data::detail
