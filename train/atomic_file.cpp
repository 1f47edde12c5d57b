#include "rill/train/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::train {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::string& path, const char* what) {
  const auto reason = std::error_code(errno, std::generic_category()).message();
  throw FileError(fmt::format("{}: cannot {}: {}", path, what, reason));
}

void write_synced(const std::string& path, std::string_view content) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) fail(path, "open the file for writing");
  while (!content.empty()) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "write");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) fail(path, "sync the file to the disk");
}

}  // namespace

void check_writable(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    errno = EISDIR;
    fail(path, "open the file for writing");
  }
  const std::string partial = path + ".partial";
  write_synced(partial, "");
  ::unlink(partial.c_str());
}

void write_atomically(const std::string& path, std::string_view content) {
  // One name, so that what a killed run left behind is written over by the next.
  const std::string partial = path + ".partial";
  try {
    write_synced(partial, content);
    if (::rename(partial.c_str(), path.c_str()) != 0) fail(path, "put the new file in place");
  } catch (...) {
    ::unlink(partial.c_str());
    throw;
  }
  // The rename itself is on the disk once the folder is.
  const auto parent = std::filesystem::path(path).parent_path();
  const Descriptor folder(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

}  // namespace rill::train
