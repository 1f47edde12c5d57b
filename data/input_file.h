#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

namespace rill::data::detail {

/// A regular file that is read from its beginning. Throws FileError, naming the path, for anything else: a
/// folder, a pipe or a device, for which it does not wait, and for what cannot be opened or read.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile() { std::fclose(stream_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  /// In bytes, when the file was opened.
  std::uint64_t size() const { return size_; }
  /// How many bytes follow what has been read.
  std::uint64_t remaining() const;
  /// Fills `out`; gives fewer bytes only at the end of the file. Returns how many.
  std::size_t read(std::span<std::uint8_t> out);
  /// The next byte, or EOF.
  int get() { return std::getc(stream_); }
  void rewind() { std::rewind(stream_); }
  /// For libraries that read by themselves.
  std::FILE* stream() { return stream_; }

 private:
  std::string path_;
  std::FILE* stream_;
  std::uint64_t size_ = 0;
};

}  // namespace rill::data::detail
