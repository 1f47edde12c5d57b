#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "rill/data/input_file.h"

namespace rill::data::detail {

/// Whether the file begins as a gzip file does. Reads from its beginning and goes back there.
bool is_gzip(InputFile& file);

/// What a gzip file of one or more members holds, decompressed as it is asked for.
class GzipReader {
 public:
  /// Reads from where the file stands.
  explicit GzipReader(InputFile& file);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  /// Fills `out`; gives fewer bytes only at the end of the data, whose checksum is then verified. Returns how
  /// many. Throws FileError, naming the file, when it is damaged, ends too early or is followed by other
  /// bytes.
  std::size_t read(std::span<std::uint8_t> out);

 private:
  struct Stream;

  void start_next_member();

  InputFile& file_;
  std::unique_ptr<Stream> stream_;
  bool member_ended_ = false;
};

}  // namespace rill::data::detail
