#include "rill/tensor/storage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>
#include <utility>
#include <vector>
#if defined(__linux__)
#include <sys/sysinfo.h>
#endif

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/per_thread.h"

namespace rill {
namespace {

// Blocks come in sizes of 2^k and 3 * 2^(k-1) bytes, so a request wastes at most a third. Freed blocks wait
// in a list of their size. Each thread keeps small blocks for itself, and takes and gives back many at a
// time, so that tiny tensors cost no lock.
constexpr std::size_t smallest = 128;
constexpr std::size_t largest_local = 64 * 1024;
constexpr std::size_t local_limit = 256, bytes_together = 24 * 1024;
// A thread counts for itself until it has taken, or given back, this much more than all know of: an atomic
// addition costs as much as the rest of a small allocation.
constexpr std::int64_t uncounted_limit = 64 * 1024;

std::size_t size_class(std::size_t bytes) {
  if (bytes <= smallest) return 0;
  const int log = std::bit_width(bytes - 1);  // bytes <= 2^log
  const std::size_t three_quarters = std::size_t{3} << (log - 2);
  return static_cast<std::size_t>(2 * (log - 7)) - (bytes <= three_quarters ? 1 : 0);
}
std::size_t class_size(std::size_t c) {
  const std::size_t power = smallest << (c / 2);
  return c % 2 == 0 ? power : power + power / 2;
}
constexpr std::size_t class_count = 100;

// The address sanitizer sees a use after free only when a freed block goes back to it.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool caching = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool caching = false;
#else
constexpr bool caching = true;
#endif
#else
constexpr bool caching = true;
#endif

struct Counters {
  std::atomic<std::int64_t> in_use{0}, peak{0}, held{0}, requests{0};

  void count(std::int64_t bytes) {
    const std::int64_t now = in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    std::int64_t before = peak.load(std::memory_order_relaxed);
    while (before < now && !peak.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
    }
  }
};
// Never destroyed: tensors in static storage may outlive any other static object.
Counters& counters() {
  static auto* c = new Counters;
  return *c;
}

struct Shared {
  std::mutex mutex;
  std::array<std::vector<void*>, class_count> free;
};
Shared& shared() {
  static auto* s = new Shared;
  return *s;
}

struct Local {
  std::array<std::vector<void*>, class_count> free;
  std::int64_t uncounted = 0;

  /// A number of bytes below 0 was given back.
  void count(std::int64_t bytes) {
    uncounted += bytes;
    if (uncounted >= uncounted_limit || uncounted <= -uncounted_limit) report();
  }
  void report() { counters().count(std::exchange(uncounted, 0)); }

  ~Local() {
    report();
    std::lock_guard lock(shared().mutex);
    for (std::size_t c = 0; c < class_count; ++c)
      shared().free[c].insert(shared().free[c].end(), free[c].begin(), free[c].end());
  }
};
Local& this_thread() { return detail::PerThread<Local>::get(); }

std::size_t moved_together(std::size_t size) {
  return std::clamp<std::size_t>(bytes_together / size, 1, local_limit / 2);
}

/// Moves the blocks [begin, end) of one list to the end of another.
void move_blocks(std::vector<void*>& from, std::size_t begin, std::size_t end, std::vector<void*>& to) {
  const auto first = from.begin() + static_cast<std::ptrdiff_t>(begin);
  const auto last = from.begin() + static_cast<std::ptrdiff_t>(end);
  to.insert(to.end(), first, last);
  from.erase(first, last);
}

}  // namespace

MemoryStatistics memory_statistics() {
  this_thread().report();
  const auto& c = counters();
  return {c.in_use, c.peak, std::max<std::int64_t>(0, c.held - c.in_use), c.requests};
}

void release_cached_memory() {
  std::array<std::vector<void*>, class_count> taken;
  {
    std::lock_guard lock(shared().mutex);
    std::swap(taken, shared().free);
  }
  Local& local = this_thread();
  for (std::size_t k = 0; k < class_count; ++k) {
    taken[k].insert(taken[k].end(), local.free[k].begin(), local.free[k].end());
    local.free[k].clear();
    counters().held -= static_cast<std::int64_t>(taken[k].size() * class_size(k));
    for (void* block : taken[k]) std::free(block);
  }
}

namespace detail {

std::size_t memory_of_machine() {
  static const std::size_t bytes = [] {
#if defined(__linux__)
    struct sysinfo info;
    if (sysinfo(&info) == 0) return std::size_t{info.mem_unit} * (info.totalram + info.totalswap);
#endif
    return std::numeric_limits<std::size_t>::max();
  }();
  return bytes;
}

namespace {

void* take_block(std::size_t bytes) {
  const std::size_t c = size_class(bytes);
  if (c >= class_count) return nullptr;
  const std::size_t size = class_size(c);
  const auto taken = static_cast<std::int64_t>(size);
  Local& local = this_thread();
  const auto take = [&](std::vector<void*>& list) {
    void* block = list.back();
    list.pop_back();
    // What the next tensor of this size is written to.
    if (!list.empty())
      for (std::size_t line = 0; line < 192; line += 64)
        __builtin_prefetch(static_cast<std::byte*>(list.back()) + line, 1);
    local.count(taken);
    return block;
  };
  const bool is_local = size <= largest_local;
  if (is_local && !local.free[c].empty()) return take(local.free[c]);
  {
    std::lock_guard lock(shared().mutex);
    auto& free = shared().free[c];
    if (is_local)
      move_blocks(free, free.size() - std::min(free.size(), moved_together(size)), free.size(),
                  local.free[c]);
    if (auto& list = is_local ? local.free[c] : free; !list.empty()) return take(list);
  }
  // A system may grant more than it has, and end the program that writes to it.
  if (bytes > memory_of_machine()) return nullptr;
  auto& count = counters();
  count.requests.fetch_add(1, std::memory_order_relaxed);
  void* block = std::aligned_alloc(64, size);
  if (!block) {
    release_cached_memory();
    block = std::aligned_alloc(64, size);
  }
  if (!block) return nullptr;
  count.held.fetch_add(taken, std::memory_order_relaxed);
  local.count(taken);
  return block;
}

}  // namespace

void* try_allocate(std::size_t bytes) noexcept {
  try {
    return take_block(bytes);
  } catch (const std::bad_alloc&) {  // of the lists of blocks
    return nullptr;
  }
}

void* allocate(std::size_t bytes) {
  void* block = try_allocate(bytes);
  if (!block) throw Error(fmt::format("memory: {} bytes are needed, which the system does not have", bytes));
  return block;
}

void deallocate(void* data, std::size_t bytes) noexcept {
  const std::size_t c = size_class(bytes);
  const std::size_t size = class_size(c);
  Local& local = this_thread();
  local.count(-static_cast<std::int64_t>(size));
  const auto give_back = [&] {
    counters().held.fetch_sub(static_cast<std::int64_t>(size), std::memory_order_relaxed);
    std::free(data);
  };
  if (!caching) return give_back();
  try {
    if (size <= largest_local) {
      auto& free = local.free[c];
      if (free.size() == local_limit) {
        std::lock_guard lock(shared().mutex);
        move_blocks(free, 0, moved_together(size), shared().free[c]);
      }
      free.push_back(data);
      return;
    }
    std::lock_guard lock(shared().mutex);
    shared().free[c].push_back(data);
  } catch (const std::bad_alloc&) {  // of the lists of blocks
    give_back();
  }
}

void throw_no_memory(std::string_view what, std::uint64_t count, std::size_t size) {
  throw Error(
      fmt::format("{}: the system does not have the memory for {} times {} bytes", what, count, size));
}

Storage* Storage::try_create(std::size_t bytes) noexcept {
  void* memory = try_allocate(header_size + bytes);
  return memory ? new (memory) Storage(bytes) : nullptr;
}

Derived* Storage::set_derived(Derived* derived) noexcept {
  Derived* expected = nullptr;
  if (derived_.compare_exchange_strong(expected, derived, std::memory_order_acq_rel)) return derived;
  delete derived;
  return expected;
}

void Storage::drop_derived() noexcept {
  if (derived()) delete derived_.exchange(nullptr, std::memory_order_acq_rel);
}

void Storage::destroy() noexcept {
  drop_derived();
  const std::size_t total = header_size + size_;
  this->~Storage();
  deallocate(this, total);
}

}  // namespace detail
}  // namespace rill
