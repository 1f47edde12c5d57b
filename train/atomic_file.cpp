#include "rill/train/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/utf8.h"
#include "rill/train/descriptor.h"

namespace rill::train {
namespace {

// Names of files that are being written: short, whatever the length of the final name.
constexpr std::string_view prefix = ".rill-", suffix = ".partial";

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw FileError(fmt::format("{}: cannot {}: {}", path, what,
                              std::error_code(error, std::generic_category()).message()));
}

// Where a file is or is to be: its folder and its name there.
struct Target {
  std::string folder, name;
  std::string path() const { return folder + name; }
};

Target split(const std::string& path) {
  const std::size_t end = path.rfind('/') + 1;  // 0 where there is none
  return {path.substr(0, end), path.substr(end)};
}

std::optional<struct stat> status_of(const std::string& path, const std::string& shown) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return status;
  if (errno != ENOENT) fail(shown, "open the file for writing", errno);
  return std::nullopt;
}

std::string read_link(const std::string& path, const std::string& shown) {
  std::string out(4096, '\0');  // no link is longer
  const ssize_t size = ::readlink(path.c_str(), out.data(), out.size());
  if (size < 0) fail(shown, "read the symbolic link", errno);
  out.resize(static_cast<std::size_t>(size));
  return out;
}

// Follows symbolic links to the file that is or would be there. By hand, because the last may not exist.
Target resolve(const std::string& path) {
  constexpr int most_links = 40;  // as Linux has it
  if (path.find('\0') != std::string::npos)
    throw FileError(fmt::format("{}: expected a path without zero bytes", quote(path)));
  Target target = split(path);
  for (int links = 0; links <= most_links; ++links) {
    const auto status = status_of(target.path(), path);
    if (!status || !S_ISLNK(status->st_mode)) return target;
    const std::string next = read_link(target.path(), path);
    target = split(next.starts_with('/') ? next : target.folder + next);
  }
  fail(path, "open the file for writing", ELOOP);
}

void check_regular(const std::string& path, const struct stat& status) {
  if (S_ISDIR(status.st_mode)) fail(path, "open the file for writing", EISDIR);
  if (!S_ISREG(status.st_mode))
    throw FileError(fmt::format("{}: cannot open the file for writing: it is a {}; expected a regular file",
                                path,
                                S_ISFIFO(status.st_mode)   ? "pipe"
                                : S_ISSOCK(status.st_mode) ? "socket"
                                                           : "device"));
}

// Three hexadecimal numbers between the two, as temporary_name() makes them.
bool is_temporary(std::string_view name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() < prefix.size() + suffix.size())
    return false;
  name.remove_prefix(prefix.size());
  name.remove_suffix(suffix.size());
  return name.find_first_not_of("0123456789abcdef-") == std::string_view::npos &&
         std::count(name.begin(), name.end(), '-') == 2;
}

std::string temporary_name() {
  static std::atomic<unsigned> counter{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return fmt::format("{}{:x}-{:x}-{:x}{}", prefix, ::getpid(), now, ++counter, suffix);
}

// Removes what killed processes left in a folder. The lock of a file that is being written is held by its
// process, so the files whose lock can be had belong to none.
void remove_abandoned(int folder) {
  struct Close {
    void operator()(DIR* d) const { ::closedir(d); }
  };
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return;
  const std::unique_ptr<DIR, Close> entries(::fdopendir(again));
  if (!entries) {
    ::close(again);
    return;
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    if (!is_temporary(entry->d_name)) continue;
    struct stat status {};
    if (::fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode) ||
        status.st_nlink != 1 || status.st_uid != ::geteuid())
      continue;
    const Descriptor file(::openat(folder, entry->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(folder, entry->d_name, 0);
  }
}

// A file beside the target that takes its place at commit() and is gone otherwise.
class Replacement {
 public:
  explicit Replacement(const std::string& path)
      : path_(path), target_(resolve(path)), folder_(open_folder()), old_(check_target()) {
    remove_abandoned(folder_.get());
    create();
    try {
      if (old_) keep_owner_and_mode(*old_);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~Replacement() { remove(); }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  void write(std::string_view content) {
    while (!content.empty()) {
      const ssize_t written = ::write(file_.get(), content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail(path_, "write", errno);
      content.remove_prefix(static_cast<std::size_t>(written));
    }
    sync(file_.get(), "sync the file to the disk");
    // Some file systems say only here that the disk is full. The lock stays until the file itself is closed.
    if (const int copy = ::dup(file_.get()); copy >= 0 && ::close(copy) != 0 && errno != EINTR)
      fail(path_, "close the file", errno);
  }

  void commit() {
    if (::renameat(folder_.get(), name_.c_str(), folder_.get(), target_.name.c_str()) != 0)
      fail(path_, "put the new file in place", errno);
    name_.clear();
    // The rename itself is on the disk once the folder is, which some systems cannot be asked for.
    if (const Descriptor folder(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); folder)
      sync(folder.get(), "sync the folder, with the new file in place, to the disk");
  }

 private:
  Descriptor open_folder() const {
    const char* folder = target_.folder.empty() ? "." : target_.folder.c_str();
    Descriptor out(::open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!out) fail(path_, "open the file for writing", errno);
    return out;
  }

  std::optional<struct stat> check_target() const {
    if (target_.name.empty())
      fail(path_, "open the file for writing", target_.folder.empty() ? ENOENT : EISDIR);
    const auto status = status_of(target_.path(), path_);
    if (!status) return status;
    check_regular(path_, *status);
    // Replacing asks for no right to write, but who took that right away wants the file to stay.
    if (::faccessat(folder_.get(), target_.name.c_str(), W_OK, AT_EACCESS) != 0)
      fail(path_, "open the file for writing", errno);
    return status;
  }

  void create() {
    constexpr int most_attempts = 100;
    for (int i = 0; i < most_attempts; ++i) {
      std::string name = temporary_name();
      // Until it has the mode of the old file, for its owner alone.
      Descriptor file(::openat(folder_.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, old_ ? 0600 : 0666));
      if (!file && errno == EEXIST) continue;
      if (!file) fail(path_, "open the file for writing", errno);
      // Whoever cleans up may have found it before it was locked. Where there are no locks nothing is cleaned
      // up.
      if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) continue;
      struct stat status {};
      if (::fstat(file.get(), &status) == 0 && status.st_nlink == 0) continue;
      file_ = std::move(file);
      name_ = std::move(name);
      return;
    }
    fail(path_, "open a file beside it for writing", EEXIST);
  }

  void keep_owner_and_mode(const struct stat& old) const {
    struct stat now {};
    if (::fstat(file_.get(), &now) != 0) fail(path_, "read the mode of the new file", errno);
    // The group may be kept where the owner cannot.
    if ((now.st_uid != old.st_uid || now.st_gid != old.st_gid) &&
        ::fchown(file_.get(), old.st_uid, old.st_gid) != 0)
      static_cast<void>(::fchown(file_.get(), static_cast<uid_t>(-1), old.st_gid) == 0);
    if (::fchmod(file_.get(), old.st_mode & 07777) != 0) fail(path_, "keep the mode of the file", errno);
  }

  void sync(int fd, const char* what) const {
    while (::fsync(fd) != 0) {
      if (errno == EINTR) continue;
      if (errno == EINVAL || errno == ENOTSUP) return;  // a file system that does not sync
      fail(path_, what, errno);
    }
  }

  void remove() {
    if (!name_.empty()) ::unlinkat(folder_.get(), name_.c_str(), 0);
  }

  std::string path_;
  Target target_;
  Descriptor folder_;
  std::optional<struct stat> old_;
  Descriptor file_{-1};
  std::string name_;
};

}  // namespace

void write_atomically(const std::string& path, std::string_view content) {
  Replacement replacement(path);
  replacement.write(content);
  replacement.commit();
}

void check_writable(const std::string& path) { const Replacement replacement(path); }

}  // namespace rill::train
