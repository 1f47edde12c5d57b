#include "rill/flow/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

File nameless_file() {
  File file(std::tmpfile());
  if (!file) throw FileError("gnuplot: cannot open a temporary file: " + reason(errno));
  return file;
}

std::string read_all(std::FILE* file) {
  std::string out;
  std::array<char, 65536> buffer;
  std::rewind(file);
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), file))
    out.append(buffer.data(), size);
  return out;
}

class Redirections {
 public:
  Redirections() { posix_spawn_file_actions_init(&actions_); }
  ~Redirections() { posix_spawn_file_actions_destroy(&actions_); }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;
  void add(const File& file, int target) {
    posix_spawn_file_actions_adddup2(&actions_, fileno(file.get()), target);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

}  // namespace

std::string run_gnuplot(const std::string& script) {
  const File input = nameless_file(), output = nameless_file(), messages = nameless_file();
  if (std::fwrite(script.data(), 1, script.size(), input.get()) != script.size() || std::fflush(input.get()))
    throw FileError("gnuplot: cannot write a temporary file: " + reason(errno));
  std::rewind(input.get());

  Redirections redirections;
  redirections.add(input, STDIN_FILENO);
  redirections.add(output, STDOUT_FILENO);
  redirections.add(messages, STDERR_FILENO);
  // -d: without the settings of whoever runs this.
  std::string name = "gnuplot", defaults = "-d", standard_input = "-";
  std::array<char*, 4> arguments{name.data(), defaults.data(), standard_input.data(), nullptr};
  pid_t child = 0;
  if (const int error =
          posix_spawnp(&child, name.c_str(), redirections.get(), nullptr, arguments.data(), environ))
    throw FileError(fmt::format(
        "gnuplot, which draws a report's pictures, cannot be started ({}); on Debian install gnuplot-nox",
        reason(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::string out = read_all(output.get());
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || out.find("</svg>") == std::string::npos)
    throw FileError("gnuplot failed: " + read_all(messages.get()));
  return out;
}

}  // namespace rill::flow
