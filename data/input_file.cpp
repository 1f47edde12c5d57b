#include "rill/data/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {
namespace {

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw FileError(fmt::format("{}: cannot be {}: {}", path, what,
                              std::error_code(error, std::generic_category()).message()));
}

// Opening a pipe waits for who writes into it, unless told not to.
std::FILE* open_for_reading(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    throw FileError(fmt::format("{}: expected a path without zero bytes", path.c_str()));
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) fail(path, "opened", errno);
  std::FILE* stream = ::fdopen(descriptor, "rb");
  if (!stream) {
    const int error = errno;
    ::close(descriptor);
    fail(path, "opened", error);
  }
  return stream;
}

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path), stream_(open_for_reading(path)) {
  struct stat status {};
  const int error = ::fstat(::fileno(stream_), &status) == 0 ? 0 : errno;
  if (error == 0 && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    return;
  }
  std::fclose(stream_);
  if (error != 0) fail(path, "read", error);
  throw FileError(fmt::format("{}: a {}, where a file was expected", path,
                              S_ISDIR(status.st_mode) ? "folder" : "pipe, a socket or a device"));
}

std::uint64_t InputFile::remaining() const {
  const auto position = static_cast<std::uint64_t>(::ftello(stream_));
  return position < size_ ? size_ - position : 0;
}

std::size_t InputFile::read(std::span<std::uint8_t> out) {
  const std::size_t count = std::fread(out.data(), 1, out.size(), stream_);
  if (count < out.size() && std::ferror(stream_)) fail(path_, "read", errno);
  return count;
}

}  // namespace rill::data::detail
