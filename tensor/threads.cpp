#include "rill/tensor/threads.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/flush_subnormals.h"

namespace rill {
namespace {

constexpr int most_threads = 1024;
// A training step starts its next kernel within this time, from the last product to the optimiser too; to
// wake a sleeping thread takes 50 us.
constexpr auto spin_time = std::chrono::microseconds(200);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits for `value` to differ from `old`: awake for a short time, then asleep.
std::uint32_t await_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  std::uint32_t now = value.load(std::memory_order_acquire);
  const auto end = std::chrono::steady_clock::now() + spin_time;
  for (int i = 1; now == old && (i % 32 != 0 || std::chrono::steady_clock::now() < end); ++i) {
    pause();
    now = value.load(std::memory_order_acquire);
  }
  while (now == old) {
    value.wait(old, std::memory_order_acquire);
    now = value.load(std::memory_order_acquire);
  }
  return now;
}

/// The parts that one thread starts with. The word holds the job's number above how many parts are left, so
/// that a thread that wakes late cannot take a part of a later job by mistake.
struct alignas(64) Share {
  std::atomic<std::uint64_t> word{0};
  std::int64_t end = 0;
};

class Pool {
 public:
  Pool() { start(default_count()); }

  int count() const { return count_.load(std::memory_order_relaxed); }

  void resize(int count) {
    while (busy_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
    stop();
    start(count);
    busy_.store(false, std::memory_order_release);
  }

  /// Whether the pool took the job; if not, the caller runs it alone.
  bool run(std::int64_t parts, detail::FunctionRef<void(std::int64_t)> body) {
    if (parts < 2 || count() == 1 || parts > std::numeric_limits<std::int32_t>::max()) return false;
    if (busy_.load(std::memory_order_relaxed) || busy_.exchange(true, std::memory_order_acquire))
      return false;
    if (!launch()) {
      busy_.store(false, std::memory_order_release);
      return false;
    }
    body_ = &body;
    parts_ = static_cast<std::uint32_t>(parts);
    done_.store(0, std::memory_order_relaxed);
    const std::uint32_t job = job_.load(std::memory_order_relaxed) + 1;
    const auto shares = static_cast<std::int64_t>(shares_.size());
    for (std::int64_t i = 0; i < shares; ++i) {
      Share& share = shares_[static_cast<std::size_t>(i)];
      share.end = parts * (i + 1) / shares;
      const auto left = static_cast<std::uint64_t>(share.end - parts * i / shares);
      share.word.store((std::uint64_t{job} << 32) | left, std::memory_order_release);
    }
    job_.store(job, std::memory_order_release);
    job_.notify_all();
    work(0, job);
    for (auto done = done_.load(std::memory_order_acquire); done != parts_;) done = await_change(done_, done);
    std::exception_ptr error = std::exchange(error_, nullptr);
    busy_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return true;
  }

 private:
  static int default_count() {
    const char* variable = std::getenv("RILL_THREADS");
    if (!variable) return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, most_threads);
    const std::string_view text(variable);
    int count = 0;
    const auto [end, error] = std::from_chars(text.begin(), text.end(), count);
    if (error != std::errc() || end != text.end() || count < 1 || count > most_threads)
      throw ValueError(
          fmt::format("RILL_THREADS: '{}' is no number of threads from 1 to {}", text, most_threads));
    return count;
  }

  void start(int count) {
    shares_ = std::vector<Share>(static_cast<std::size_t>(count));
    count_.store(count, std::memory_order_relaxed);
  }

  /// Starts the threads at the first job. Returns false where the system refuses them.
  bool launch() {
    if (workers_.size() + 1 == shares_.size()) return true;
    const std::uint32_t job = job_.load(std::memory_order_relaxed);
    try {
      while (workers_.size() + 1 < shares_.size())
        workers_.emplace_back([this, job, i = workers_.size() + 1] { serve(i, job); });
    } catch (const std::system_error&) {
      stop();
      start(1);
      return false;
    }
    return true;
  }

  void stop() {
    stopping_.store(true, std::memory_order_relaxed);
    job_.fetch_add(1, std::memory_order_release);
    job_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
    stopping_.store(false, std::memory_order_relaxed);
  }

  void serve(std::size_t own, std::uint32_t job) {
    const kernels::FlushSubnormals guard;
    while (true) {
      job = await_change(job_, job);
      if (stopping_.load(std::memory_order_relaxed)) return;
      work(own, job);
    }
  }

  /// Works through the thread's own share, then helps with the others. What is done is told once a share: all
  /// threads write to that number.
  void work(std::size_t own, std::uint32_t job) {
    for (std::size_t i = 0; i < shares_.size(); ++i) {
      Share& share = shares_[(own + i) % shares_.size()];
      std::uint32_t done = 0, parts = 0;
      std::uint64_t word = share.word.load(std::memory_order_acquire);
      while (word >> 32 == job && (word & 0xffffffffu) != 0) {
        if (!share.word.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel)) continue;
        parts = parts_;  // until this part is told, no later job begins
        do_part(share.end - static_cast<std::int64_t>(word & 0xffffffffu));
        ++done;
        word = share.word.load(std::memory_order_acquire);
      }
      if (done > 0 && done_.fetch_add(done, std::memory_order_acq_rel) + done == parts) done_.notify_one();
    }
  }

  void do_part(std::int64_t part) {
    try {
      (*body_)(part);
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (!error_ || part < error_part_) {
        error_ = std::current_exception();
        error_part_ = part;
      }
    }
  }

  std::atomic<bool> busy_{false};
  std::atomic<int> count_{1};
  std::vector<Share> shares_;
  std::vector<std::thread> workers_;
  std::atomic<bool> stopping_{false};

  const detail::FunctionRef<void(std::int64_t)>* body_ = nullptr;
  std::uint32_t parts_ = 0;
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::int64_t error_part_ = 0;
  alignas(64) std::atomic<std::uint32_t> job_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
};

// Never destroyed: its threads sleep while the program ends, and may not be joined from one of them.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}

}  // namespace

void set_threads(int count) {
  if (count < 1 || count > most_threads)
    throw ValueError(fmt::format("set_threads: expected 1 to {} threads, got {}", most_threads, count));
  pool().resize(count);
}

int threads() { return pool().count(); }

namespace detail {

void parallel_parts(std::int64_t parts, FunctionRef<void(std::int64_t)> body) {
  parallel_parts_if(parts > 1, parts, body);
}

void parallel_parts_if(bool worth_threads, std::int64_t parts, FunctionRef<void(std::int64_t)> body) {
  const kernels::FlushSubnormals guard;
  if (worth_threads && pool().run(parts, body)) return;
  for (std::int64_t part = 0; part < parts; ++part) body(part);
}

void parallel_for(std::int64_t n, std::int64_t grain, FunctionRef<void(std::int64_t, std::int64_t)> body) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  if (n <= grain) {
    const kernels::FlushSubnormals guard;
    return body(0, n);
  }
  parallel_parts((n + grain - 1) / grain,
                 [&](std::int64_t part) { body(part * grain, std::min(n, (part + 1) * grain)); });
}

}  // namespace detail
}  // namespace rill
