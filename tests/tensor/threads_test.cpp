#include "rill/tensor/threads.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

using rill::detail::parallel_for;
using rill::detail::parallel_parts;

namespace {

/// Sets the number of threads back at the end of a test.
struct ThreadsRestored {
  int before = rill::threads();
  ~ThreadsRestored() { rill::set_threads(before); }
};

}  // namespace

TEST_CASE("parallel_parts calls every part once, with any number of threads", "[tensor][threads]") {
  ThreadsRestored restored;
  for (int threads : {1, 2, 5}) {
    rill::set_threads(threads);
    CHECK(rill::threads() == threads);
    for (std::int64_t parts : {0, 1, 2, 3, 7, 100, 1001}) {
      std::vector<int> calls(static_cast<std::size_t>(parts), 0);
      parallel_parts(parts, [&](std::int64_t part) { ++calls[static_cast<std::size_t>(part)]; });
      CHECK(calls == std::vector<int>(static_cast<std::size_t>(parts), 1));
    }
  }
}

TEST_CASE("parallel_for covers the range in parts of the grain", "[tensor][threads]") {
  for (std::int64_t n : {0, 1, 9, 10, 11, 1000}) {
    std::vector<int> calls(static_cast<std::size_t>(n), 0);
    std::atomic<int> parts = 0, whole = 0;
    parallel_for(n, 10, [&](std::int64_t begin, std::int64_t end) {
      ++parts;
      if (begin % 10 == 0 && (end == n || end == begin + 10)) ++whole;
      for (auto i = begin; i < end; ++i) ++calls[static_cast<std::size_t>(i)];
    });
    CHECK(calls == std::vector<int>(static_cast<std::size_t>(n), 1));
    CHECK(parts == (n + 9) / 10);
    CHECK(whole == parts);
  }
}

TEST_CASE("a range goes to several threads", "[tensor][threads]") {
  ThreadsRestored restored;
  rill::set_threads(2);
  std::atomic<int> inside = 0;
  // Each part waits for the other: it would never end on one thread.
  parallel_parts(2, [&](std::int64_t) {
    ++inside;
    while (inside.load() < 2) std::this_thread::yield();
  });
  CHECK(inside == 2);
}

TEST_CASE("the exception of the lowest part comes out, and the pool works on", "[tensor][threads]") {
  ThreadsRestored restored;
  for (int threads : {1, 2}) {
    rill::set_threads(threads);
    std::string message;
    try {
      parallel_parts(50, [](std::int64_t part) {
        if (part % 10 == 3) throw std::runtime_error(std::to_string(part));
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(message == "3");
    std::atomic<std::int64_t> sum = 0;
    parallel_parts(100, [&](std::int64_t part) { sum += part; });
    CHECK(sum == 4950);
  }
}

TEST_CASE("nested calls run where they are", "[tensor][threads]") {
  std::vector<std::int64_t> sums(20, 0);
  parallel_parts(20, [&](std::int64_t outer) {
    const auto thread = std::this_thread::get_id();
    parallel_parts(10, [&](std::int64_t inner) {
      if (std::this_thread::get_id() != thread) throw std::logic_error("a nested part left its thread");
      sums[static_cast<std::size_t>(outer)] += inner;
    });
  });
  CHECK(sums == std::vector<std::int64_t>(20, 45));
}

TEST_CASE("several user threads share the pool", "[tensor][threads]") {
  std::vector<std::int64_t> totals(4, 0);
  std::vector<std::thread> users;
  for (auto& total : totals)
    users.emplace_back([&total] {
      for (int round = 0; round < 200; ++round) {
        std::vector<std::int64_t> values(16, 0);
        parallel_parts(16, [&](std::int64_t part) { values[static_cast<std::size_t>(part)] = part; });
        total += std::accumulate(values.begin(), values.end(), std::int64_t{0});
      }
    });
  for (auto& user : users) user.join();
  CHECK(totals == std::vector<std::int64_t>(4, 200 * 120));
}

TEST_CASE("set_threads rejects counts that are not a number of threads", "[tensor][threads]") {
  CHECK_THROWS_AS(rill::set_threads(0), rill::ValueError);
  CHECK_THROWS_AS(rill::set_threads(-3), rill::ValueError);
  CHECK_THROWS_WITH(rill::set_threads(5000), "set_threads: expected 1 to 1024 threads, got 5000");
}

TEST_CASE("set_threads is refused in the middle of parallel work", "[tensor][threads]") {
  ThreadsRestored restored;
  for (int threads : {1, 2}) {
    rill::set_threads(threads);
    std::atomic<int> refused = 0;
    const auto attempt = [&] {
      try {
        rill::set_threads(3);
      } catch (const rill::Error&) {
        ++refused;
      }
    };
    parallel_parts(4, [&](std::int64_t) { attempt(); });
    parallel_parts(1, [&](std::int64_t) { attempt(); });
    parallel_for(1, 10, [&](std::int64_t, std::int64_t) { attempt(); });
    CHECK(refused == 6);
    CHECK(rill::threads() == threads);
    rill::set_threads(threads);  // and accepted after it
  }
}

#if defined(__GLIBC__)
namespace {

/// While it lives, the system cannot give a thread its stack.
struct NoThreads {
  pthread_attr_t before;
  NoThreads() {
    ::pthread_getattr_default_np(&before);
    pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
    ::pthread_setattr_default_np(&huge);
    ::pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    ::pthread_setattr_default_np(&before);
    ::pthread_attr_destroy(&before);
  }
};

// Whether two parts are worked on at once.
void meet() {
  std::atomic<int> inside = 0;
  parallel_parts(2, [&](std::int64_t) {
    ++inside;
    while (inside.load() < 2) std::this_thread::yield();
  });
}

}  // namespace

TEST_CASE("where the system gives no more threads the old number stays", "[tensor][threads]") {
  ThreadsRestored restored;
  rill::set_threads(2);
  {
    const NoThreads none;
    CHECK_THROWS_AS(rill::set_threads(8), rill::Error);
    CHECK_THROWS_WITH(rill::set_threads(8), "set_threads: the system gives no more than 2 of 8 threads");
    CHECK(rill::threads() == 2);
    meet();
    rill::set_threads(1);  // fewer can be had
    CHECK(rill::threads() == 1);
    CHECK_THROWS_WITH(rill::set_threads(2), "set_threads: the system gives no more than 1 of 2 threads");
  }
  rill::set_threads(3);
  CHECK(rill::threads() == 3);
  meet();
}
#endif

TEST_CASE("the pool's threads run no signal handlers", "[tensor][threads][signals]") {
  ThreadsRestored restored;
  rill::set_threads(2);
  const auto user = std::this_thread::get_id();
  std::atomic<int> inside = 0;
  std::array<std::atomic<bool>, 2> blocked{};
  parallel_parts(2, [&](std::int64_t) {
    ++inside;
    while (inside.load() < 2) std::this_thread::yield();
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    bool all = true;
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGPROF, SIGUSR1, SIGCHLD, SIGRTMIN, SIGRTMAX})
      all = all && ::sigismember(&mask, signal) == 1;
    const bool faults = ::sigismember(&mask, SIGSEGV) == 1 || ::sigismember(&mask, SIGFPE) == 1;
    blocked[std::this_thread::get_id() == user ? 0 : 1] = all && !faults;
  });
  CHECK_FALSE(blocked[0]);
  CHECK(blocked[1]);
}

TEST_CASE("a child of fork has a pool of its own", "[tensor][threads]") {
#if defined(__SANITIZE_THREAD__)
  SUCCEED("the thread sanitizer ends a child that starts threads");
#else
  ThreadsRestored restored;
  rill::set_threads(2);
  const auto works = [] {
    std::atomic<int> inside = 0;
    parallel_parts(2, [&](std::int64_t) {
      ++inside;
      while (inside.load() < 2) std::this_thread::yield();
    });
    rill::set_threads(4);
    std::atomic<std::int64_t> sum = 0;
    parallel_parts(100, [&](std::int64_t part) { sum += part; });
    rill::set_threads(1);
    return sum == 4950 && rill::threads() == 1;
  };
  const auto in_child = [](const auto& holds) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(holds() ? 0 : 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status == 0;
  };
  parallel_parts(2, [](std::int64_t) {});
  CHECK(in_child(works));
#if defined(__GLIBC__)
  // One that can have no threads computes alone.
  CHECK(in_child([] {
    const NoThreads none;
    std::int64_t sum = 0;
    parallel_parts(100, [&](std::int64_t part) { sum += part; });
    return sum == 4950 && rill::threads() == 1;
  }));
#endif
  // Another thread has the pool when the child is made.
  std::atomic<bool> begun = false, ended = false;
  std::thread other([&] {
    parallel_parts(2, [&](std::int64_t) {
      begun = true;
      while (!ended) std::this_thread::yield();
    });
  });
  while (!begun) std::this_thread::yield();
  CHECK(in_child(works));
  ended = true;
  other.join();
#endif
}

TEST_CASE("RILL_THREADS is refused, at every call, until it is a number of threads", "[tensor][threads]") {
  // The variable is read once, so a process of its own is asked.
  const auto status = [](const std::string& value, const std::string& then) {
    std::string command = "RILL_THREADS='" + value + "' RILL_THREADS_THEN='" + then + "' '" +
                          std::filesystem::read_symlink("/proc/self/exe").string() +
                          "' '[.threads-of-environment]' > /dev/null 2>&1";
    return std::system(command.c_str());
  };
  for (const char* wrong : {"abc", "", "0", "-1", "1025", "2 ", "1e3", "99999999999999999999"})
    CHECK(status(wrong, "3") == 0);
}

TEST_CASE("threads() where RILL_THREADS is wrong at first", "[.threads-of-environment]") {
  const std::string sentence = fmt::format("RILL_THREADS: '{}' is not a number of threads from 1 to 1024",
                                           std::getenv("RILL_THREADS"));
  for (int call = 0; call < 2; ++call) {
    CHECK_THROWS_AS(rill::threads(), rill::ValueError);
    CHECK_THROWS_WITH(rill::threads(), sentence);
    CHECK_THROWS_WITH(rill::set_threads(2), sentence);
    CHECK_THROWS_WITH(parallel_parts(2, [](std::int64_t) {}), sentence);
  }
  const std::string then = std::getenv("RILL_THREADS_THEN");
  ::setenv("RILL_THREADS", then.c_str(), 1);
  CHECK(rill::threads() == std::stoi(then));
}
