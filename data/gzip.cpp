#include "rill/data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {
namespace {

constexpr std::array<std::uint8_t, 2> magic = {0x1f, 0x8b};

}  // namespace

bool is_gzip(InputFile& file) {
  std::array<std::uint8_t, 2> first{};
  const std::size_t count = file.read(first);
  file.rewind();
  return count == first.size() && first == magic;
}

// inflateEnd must run however the reading ends.
struct GzipReader::Stream : z_stream {
  explicit Stream(const std::string& path) : z_stream{} {
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (inflateInit2(this, gzip_only) != Z_OK)
      throw Error(fmt::format("{}: the system has no memory to decompress it", path));
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { inflateEnd(this); }

  // Whether there is input, after reading more where all was used.
  bool refill(InputFile& file) {
    if (avail_in > 0) return true;
    avail_in = static_cast<uInt>(file.read(buffer));
    next_in = buffer.data();
    return avail_in > 0;
  }

  std::array<std::uint8_t, 1 << 16> buffer;
};

GzipReader::GzipReader(InputFile& file) : file_(file), stream_(std::make_unique<Stream>(file.path())) {}
GzipReader::~GzipReader() = default;

void GzipReader::start_next_member() {
  if (*stream_->next_in != magic[0])
    throw FileError(fmt::format("{}: {} trailing bytes after the gzip data", file_.path(),
                                stream_->avail_in + file_.remaining()));
  inflateReset(stream_.get());
  member_ended_ = false;
}

std::size_t GzipReader::read(std::span<std::uint8_t> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (!stream_->refill(file_)) {
      if (member_ended_) break;
      throw FileError(fmt::format("{}: the gzip data ends too early", file_.path()));
    }
    if (member_ended_) start_next_member();
    const std::size_t room = std::min<std::size_t>(out.size() - filled, std::numeric_limits<uInt>::max());
    stream_->next_out = out.data() + filled;
    stream_->avail_out = static_cast<uInt>(room);
    const int status = inflate(stream_.get(), Z_NO_FLUSH);
    filled += room - stream_->avail_out;
    member_ended_ = status == Z_STREAM_END;
    if (!member_ended_ && status != Z_OK)
      throw FileError(fmt::format("{}: the gzip data is damaged: {}", file_.path(),
                                  stream_->msg ? stream_->msg : zError(status)));
  }
  return filled;
}

}  // namespace rill::data::detail
