#include "rill/tensor/threads.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/block_signals.h"
#include "rill/tensor/kernels/flush_subnormals.h"
#include "rill/tensor/processors.h"

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

/// A thread of the pool, the first of them the calling one, and the parts that it starts with. The word holds
/// the job's number above how many parts are left, so that a thread that wakes late cannot take a part of a
/// later job by mistake.
struct alignas(64) Member {
  std::atomic<std::uint64_t> word{0};
  std::int64_t end = 0;
  pthread_t thread{};
  std::uint32_t job = 0;  // the last one before the thread began
};

/// Whether this thread is in the middle of parallel work.
thread_local bool is_inside = false;

struct Inside {
  const bool before = std::exchange(is_inside, true);
  const kernels::FlushSubnormals flush;
  ~Inside() { is_inside = before; }
};

class Pool;
Pool& pool();

class Pool {
 public:
  explicit Pool(int count) : count_(count) {}

  int count() const { return count_.load(std::memory_order_relaxed); }

  /// Returns how many threads there can be; if these are fewer than `count`, nothing has changed.
  int resize(int count) {
    while (busy_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
    const int before = started_, possible = start(count);
    if (possible == count) count_.store(count, std::memory_order_relaxed);
    stop_from(possible == count ? count : before);
    busy_.store(false, std::memory_order_release);
    return possible;
  }

  /// Whether the pool took the job; if not, the caller runs it alone.
  bool run(std::int64_t parts, detail::FunctionRef<void(std::int64_t)> body) {
    if (parts < 2 || count() == 1 || parts > std::numeric_limits<std::int32_t>::max()) return false;
    if (busy_.load(std::memory_order_relaxed) || busy_.exchange(true, std::memory_order_acquire))
      return false;
    // The threads start at the first job. Where the system refuses some, the others do without.
    if (started_ < count()) count_.store(start(count()), std::memory_order_relaxed);
    body_ = &body;
    parts_ = static_cast<std::uint32_t>(parts);
    done_.store(0, std::memory_order_relaxed);
    const std::uint32_t job = job_.load(std::memory_order_relaxed) + 1;
    const std::int64_t shares = count();
    for (std::int64_t i = 0; i < shares; ++i) {
      Member& member = members_[static_cast<std::size_t>(i)];
      member.end = parts * (i + 1) / shares;
      const auto left = static_cast<std::uint64_t>(member.end - parts * i / shares);
      member.word.store((std::uint64_t{job} << 32) | left, std::memory_order_release);
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
  /// Starts threads until there are so many with the calling one, and returns how many there are then.
  int start(int count) {
    wanted_.store(std::max(count, started_), std::memory_order_relaxed);
    // For as long as they live: a signal handler must not run in the middle of a product (gemm.h).
    const kernels::BlockSignals guard;
    for (; started_ < count; ++started_) {
      Member& member = members_[static_cast<std::size_t>(started_)];
      member.job = job_.load(std::memory_order_relaxed);
      if (::pthread_create(&member.thread, nullptr, serve, &member) != 0) break;
    }
    return std::min(count, started_);
  }

  /// Ends the threads from this one on.
  void stop_from(int count) {
    if (started_ <= count) return;
    wanted_.store(count, std::memory_order_relaxed);
    job_.fetch_add(1, std::memory_order_release);
    job_.notify_all();
    while (started_ > count) ::pthread_join(members_[static_cast<std::size_t>(--started_)].thread, nullptr);
  }

  static void* serve(void* argument);

  void serve(std::size_t own, std::uint32_t job) {
    const Inside inside;
    while (true) {
      job = await_change(job_, job);
      if (own >= static_cast<std::size_t>(wanted_.load(std::memory_order_relaxed))) return;
      work(own, job);
    }
  }

  /// Works through the thread's own share, then helps with the others. What is done is told once a share: all
  /// threads write to that number.
  void work(std::size_t own, std::uint32_t job) {
    const auto members = static_cast<std::size_t>(count());
    for (std::size_t i = 0; i < members; ++i) {
      Member& member = members_[(own + i) % members];
      std::uint32_t done = 0, parts = 0;
      std::uint64_t word = member.word.load(std::memory_order_acquire);
      while (word >> 32 == job && (word & 0xffffffffu) != 0) {
        if (!member.word.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel)) continue;
        parts = parts_;  // until this part is told, no later job begins
        do_part(member.end - static_cast<std::int64_t>(word & 0xffffffffu));
        ++done;
        word = member.word.load(std::memory_order_acquire);
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
  std::atomic<int> count_;
  std::array<Member, most_threads> members_;
  int started_ = 1;             // of the members, with the calling thread
  std::atomic<int> wanted_{1};  // those from this one on end

  const detail::FunctionRef<void(std::int64_t)>* body_ = nullptr;
  std::uint32_t parts_ = 0;
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::int64_t error_part_ = 0;
  alignas(64) std::atomic<std::uint32_t> job_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
};

int default_count() {
  const char* variable = std::getenv("RILL_THREADS");
  if (!variable) return std::min(detail::usable_processors(), most_threads);
  const std::string_view text(variable);
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most_threads)
    throw ValueError(
        fmt::format("RILL_THREADS: '{}' is not a number of threads from 1 to {}", text, most_threads));
  return count;
}

// Never destroyed: its threads sleep while the program ends, and may not be joined from one of them. In a
// child of fork() there are none of them, and a new pool takes its place.
Pool& pool() {
  alignas(Pool) static std::byte memory[sizeof(Pool)];
  static Pool* const made = [] {
    Pool* const first = new (memory) Pool(default_count());
    ::pthread_atfork(nullptr, nullptr, [] { new (memory) Pool(pool().count()); });
    return first;
  }();
  return *made;
}

void* Pool::serve(void* argument) {
  const auto* member = static_cast<const Member*>(argument);
  pool().serve(static_cast<std::size_t>(member - pool().members_.data()), member->job);
  return nullptr;
}

}  // namespace

void set_threads(int count) {
  if (count < 1 || count > most_threads)
    throw ValueError(fmt::format("set_threads: expected 1 to {} threads, got {}", most_threads, count));
  if (is_inside)
    throw Error("set_threads: called in the middle of parallel work; call it when no kernel runs");
  const int possible = pool().resize(count);
  if (possible < count)
    throw Error(fmt::format("set_threads: the system gives no more than {} of {} threads", possible, count));
}

int threads() { return pool().count(); }

namespace detail {

void parallel_parts(std::int64_t parts, FunctionRef<void(std::int64_t)> body) {
  parallel_parts_if(parts > 1, parts, body);
}

void parallel_parts_if(bool worth_threads, std::int64_t parts, FunctionRef<void(std::int64_t)> body) {
  const Inside inside;
  if (worth_threads && pool().run(parts, body)) return;
  for (std::int64_t part = 0; part < parts; ++part) body(part);
}

void parallel_for(std::int64_t n, std::int64_t grain, FunctionRef<void(std::int64_t, std::int64_t)> body) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  if (n <= grain) {
    const Inside inside;
    return body(0, n);
  }
  parallel_parts((n + grain - 1) / grain,
                 [&](std::int64_t part) { body(part * grain, std::min(n, (part + 1) * grain)); });
}

}  // namespace detail
}  // namespace rill
