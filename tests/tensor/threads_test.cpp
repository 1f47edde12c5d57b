#include "rill/tensor/threads.h"

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

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

TEST_CASE("set_threads rejects counts that are no number of threads", "[tensor][threads]") {
  CHECK_THROWS_AS(rill::set_threads(0), rill::ValueError);
  CHECK_THROWS_AS(rill::set_threads(-3), rill::ValueError);
  CHECK_THROWS_WITH(rill::set_threads(5000), "set_threads: expected 1 to 1024 threads, got 5000");
}
