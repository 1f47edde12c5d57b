#include "rill/train/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "rill/nn/linear.h"
#include "rill/nn/model.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/train/checkpoint.h"
#include "tests/catch.h"
#include "tests/folder.h"

using namespace rill;
using train::write_atomically;
namespace fs = std::filesystem;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

std::string of_one_letter(const std::string& text) {
  if (text.empty()) return "nothing";
  return text.find_first_not_of(text[0]) == std::string::npos ? "whole" : "mixed";
}

// Runs `f` in a process of its own; true where it ends well.
template <class F>
bool in_child(F&& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      f();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

}  // namespace

TEST_CASE("processes write one path, and each of 5000 looks sees a whole file", "[train][files]") {
  const Folder folder;
  const std::string path = folder / "c.json";
  constexpr std::size_t size = 1 << 16;
  write_atomically(path, std::string(size, 'o'));
  std::vector<pid_t> writers;
  for (const char letter : {'a', 'b', 'c'}) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
      while (true) write_atomically(path, std::string(size, letter));
    writers.push_back(child);
  }
  int broken = 0;
  std::string seen;
  for (int look = 0; look < 5000; ++look) {
    const std::string text = read_text(path);
    if (text.size() != size || of_one_letter(text) != "whole") ++broken;
    if (seen.find(text[0]) == std::string::npos) seen += text[0];
  }
  for (const pid_t child : writers) {
    // Neither of them died of the other.
    CHECK(::waitpid(child, nullptr, WNOHANG) == 0);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  CHECK(broken == 0);
  CHECK(seen.size() > 1);
  write_atomically(path, "last");
  CHECK(read_text(path) == "last");
  CHECK(folder.files() == 1);
}

TEST_CASE("two threads write one checkpoint", "[train][files]") {
  const Folder folder;
  const std::string path = folder / "c.json";
  std::vector<std::thread> writers;
  for (const float value : {1.0F, 2.0F})
    writers.emplace_back([&path, value] {
      train::Checkpoint checkpoint;
      checkpoint.weights = {{"w", full({1000}, value)}};
      for (int i = 0; i < 20; ++i) {
        train::write_checkpoint(path, checkpoint);
        static_cast<void>(train::read_checkpoint(path));
      }
    });
  for (auto& writer : writers) writer.join();
  CHECK(folder.files() == 1);
}

TEST_CASE("a file keeps its mode, and a new one follows the umask", "[train][files]") {
  const Folder folder;
  const mode_t before = ::umask(027);
  write_atomically(folder / "new", "x");
  ::umask(before);
  CHECK(mode_of(folder / "new") == 0640);
  for (const mode_t mode : {0600, 0644, 0666, 0750}) {
    fs::permissions(folder / "new", static_cast<fs::perms>(mode));
    write_atomically(folder / "new", "y");
    CHECK(mode_of(folder / "new") == mode);
  }
  if (::geteuid() == 0) {
    REQUIRE(::chown((folder / "new").c_str(), 12345, 54321) == 0);
    write_atomically(folder / "new", "z");
    struct stat status {};
    REQUIRE(::stat((folder / "new").c_str(), &status) == 0);
    CHECK(status.st_uid == 12345);
    CHECK(status.st_gid == 54321);
  }
}

TEST_CASE("what a symbolic link points to is written, not the link", "[train][files]") {
  const Folder folder;
  fs::create_directory(folder / "deep");
  write_atomically(folder / "deep/real", "old");
  fs::create_symlink("deep/real", folder / "link");
  fs::create_symlink(folder / "link", folder / "link to the link");
  fs::create_symlink("deep/none", folder / "dangling");
  fs::create_directory_symlink("deep", folder / "folder link");
  write_atomically(folder / "link to the link", "new");
  CHECK(read_text(folder / "deep/real") == "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(fs::is_symlink(folder / "link to the link"));
  write_atomically(folder / "dangling", "made");
  CHECK(fs::is_symlink(folder / "dangling"));
  CHECK(read_text(folder / "deep/none") == "made");
  write_atomically(folder / "folder link/other", "beside");
  CHECK(read_text(folder / "deep/other") == "beside");

  fs::create_symlink("loop", folder / "loop");
  CHECK_THROWS_WITH(write_atomically(folder / "loop", "x"), ContainsSubstring("loop: cannot open the file"));
  CHECK(fs::is_symlink(folder / "loop"));

  nn::Linear model(2, 3), back(2, 3);
  train::save(std::as_const(model), folder / "link");
  CHECK(fs::is_symlink(folder / "link"));
  train::load(back, folder / "deep/real");
  CHECK(nn::equal(model, back));
}

TEST_CASE("the other name of a file keeps the old content", "[train][files]") {
  const Folder folder;
  write_atomically(folder / "a", "old");
  fs::create_hard_link(folder / "a", folder / "b");
  write_atomically(folder / "a", "new");
  CHECK(read_text(folder / "a") == "new");
  CHECK(read_text(folder / "b") == "old");
}

TEST_CASE("what is not a regular file is refused and left as it is", "[train][files][errors]") {
  const Folder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  fs::create_symlink("pipe", folder / "to the pipe");
  fs::create_directory(folder / "folder");
  const auto refused = [&](const std::string& path, const std::string& why) {
    for (const bool probe : {false, true}) {
      const auto write = [&] { probe ? train::check_writable(path) : write_atomically(path, "x"); };
      CHECK_THROWS_AS(write(), FileError);
      CHECK_THROWS_WITH(write(), ContainsSubstring(why));
    }
  };
  refused(folder / "pipe", "it is a pipe; expected a regular file");
  refused(folder / "to the pipe", "it is a pipe; expected a regular file");
  refused("/dev/null", "it is a device; expected a regular file");
  refused(folder / "folder", "Is a directory");
  refused(folder / "folder/", "Is a directory");
  refused(folder / ".", "Is a directory");
  refused(folder / "none/c.json", "No such file");
  refused("", "No such file");
  refused(folder / "pipe/c.json", "Not a directory");
  refused(folder / std::string(300, 'n'), "File name too long");
  refused(folder / std::string("zero\0byte", 9), "zero bytes");
  struct stat status {};
  REQUIRE(::lstat((folder / "pipe").c_str(), &status) == 0);
  CHECK(S_ISFIFO(status.st_mode));
  REQUIRE(::lstat("/dev/null", &status) == 0);
  CHECK(S_ISCHR(status.st_mode));
  CHECK(folder.files() == 3);
}

TEST_CASE("a name of 250 characters can be written", "[train][files]") {
  const Folder folder;
  const std::string path = folder / std::string(250, 'n');
  write_atomically(path, "x");
  write_atomically(path, "y");
  CHECK(read_text(path) == "y");
  CHECK(folder.files() == 1);
}

TEST_CASE("a write that fails leaves the old file and nothing else", "[train][files][errors]") {
  const Folder folder;
  write_atomically(folder / "c.json", "old");
  // A limit on the size of files stands for a disk that is full.
  CHECK(in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1000, 1000};
    if (::setrlimit(RLIMIT_FSIZE, &small) != 0) throw 0;
    try {
      write_atomically(folder / "c.json", std::string(5000, 'x'));
    } catch (const FileError&) {
      return;
    }
    throw 0;
  }));
  CHECK(read_text(folder / "c.json") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a folder or a file that may not be written is said before anything is", "[train][files][errors]") {
  const Folder folder;
  write_atomically(folder / "kept", "old");
  fs::permissions(folder / "kept", fs::perms::owner_read | fs::perms::others_read);
  fs::permissions(folder.path(), fs::perms::all);
  const auto refused = [&](const std::string& path) {
    // A user without the rights of root.
    return in_child([&] {
      if (::geteuid() == 0 && ::setuid(12345) != 0) throw 0;
      for (const bool probe : {false, true}) try {
          probe ? train::check_writable(path) : write_atomically(path, "x");
          throw 0;
        } catch (const FileError&) {
        }
    });
  };
  CHECK(refused(folder / "kept"));
  CHECK(read_text(folder / "kept") == "old");
  fs::permissions(folder.path(), fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec |
                                     fs::perms::group_read);
  if (::geteuid() == 0) CHECK(refused(folder / "new"));
  CHECK(folder.files() == 1);
}

TEST_CASE("nothing but what a killed process left is removed", "[train][files]") {
  const Folder folder;
  const auto touch = [&](const std::string& name) {
    write_text(folder / name, "x");
    return ::open((folder / name).c_str(), O_RDWR | O_CLOEXEC);
  };
  const int left = touch(".rill-1-2-3.partial"), locked = touch(".rill-4-5-6.partial");
  REQUIRE(::flock(locked, LOCK_EX | LOCK_NB) == 0);
  touch("c.json.partial");
  touch("victim");
  touch(".rill-mine.partial");
  fs::create_hard_link(folder / "victim", folder / ".rill-7-8-9.partial");
  fs::create_symlink("victim", folder / ".rill-a-b-c.partial");
  REQUIRE(::mkfifo((folder / ".rill-d-e-f.partial").c_str(), 0600) == 0);
  write_atomically(folder / "c.json", "new");
  CHECK_FALSE(fs::exists(folder / ".rill-1-2-3.partial"));
  CHECK(fs::exists(folder / ".rill-4-5-6.partial"));  // its process still writes it
  CHECK(fs::exists(folder / ".rill-7-8-9.partial"));
  CHECK(fs::is_symlink(folder / ".rill-a-b-c.partial"));
  CHECK(fs::exists(folder / ".rill-d-e-f.partial"));
  CHECK(read_text(folder / "c.json.partial") == "x");
  CHECK(read_text(folder / "victim") == "x");
  CHECK(read_text(folder / ".rill-mine.partial") == "x");
  ::close(left);
  ::close(locked);
}

TEST_CASE("whether a file can be written is known without writing it", "[train][files]") {
  const Folder folder;
  train::check_writable(folder / "new.json");
  CHECK(folder.files() == 0);
  write_atomically(folder / "c.json", "old");
  train::check_writable(folder / "c.json");
  CHECK(read_text(folder / "c.json") == "old");
  CHECK(folder.files() == 1);
}
