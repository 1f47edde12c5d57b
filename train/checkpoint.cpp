#include "rill/train/checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/utf8.h"
#include "rill/train/atomic_file.h"
#include "rill/train/checkpoint_json.h"
#include "rill/train/descriptor.h"

namespace rill::train {
namespace {

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw FileError(fmt::format("{}: cannot {} the checkpoint: {}", path, what,
                              std::error_code(error, std::generic_category()).message()));
}

std::string read_file(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    throw FileError(fmt::format("{}: expected a path without zero bytes", quote(path)));
  // Opening a pipe waits for one that writes into it, unless told not to.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) fail(path, "open", errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(path, "read", errno);
  if (S_ISDIR(status.st_mode)) fail(path, "read", EISDIR);
  if (!S_ISREG(status.st_mode))
    throw FileError(fmt::format(
        "{}: cannot read the checkpoint: it is a pipe, a socket or a device; expected a regular file", path));
  std::string out;
  std::array<char, 65536> part;
  while (true) {
    const ssize_t size = ::read(file.get(), part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) fail(path, "read", errno);
    if (size == 0) return out;
    out.append(part.data(), static_cast<std::size_t>(size));
  }
}

// What the standard library throws where memory ends becomes an error of Rill.
template <class F>
auto within_memory(const std::string& path, F&& f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  throw FileError(fmt::format("{}: the system does not have the memory for this checkpoint", path));
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  write_atomically(path, within_memory(path, [&] { return checkpoint_to_json(checkpoint, path); }));
}

Checkpoint read_checkpoint(const std::string& path) {
  return within_memory(path, [&] { return checkpoint_from_json(read_file(path), path); });
}

void restore(const Checkpoint& checkpoint, const nn::Fields& model, optim::Optimizer& optimizer,
             const std::string& where) {
  const std::string problems = nn::differences(model, checkpoint.weights);
  if (!problems.empty())
    throw ValueError(fmt::format("{}: the weights do not fit the model:{}", where, problems));
  try {
    optimizer.set_state(nn::parameters(model), checkpoint.optimizer);
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("{}: {}", where, error.what()));
  }
  nn::load_state(model, checkpoint.weights, where);
}

}  // namespace rill::train
