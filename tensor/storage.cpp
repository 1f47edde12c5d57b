#include "rill/tensor/storage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill {
namespace {

// Blocks come in sizes of 2^k and 3 * 2^(k-1) bytes, so a request wastes at most a third. Freed blocks wait
// in a list of their size. Each thread keeps small blocks for itself, so that tiny tensors cost no lock.
constexpr std::size_t smallest = 128;
constexpr std::size_t largest_local = 64 * 1024;
constexpr std::size_t local_limit = 256;

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
  std::atomic<std::int64_t> in_use{0}, peak{0}, cached{0}, requests{0};
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
  bool alive = true;
  ~Local() {
    alive = false;
    std::lock_guard lock(shared().mutex);
    for (std::size_t c = 0; c < class_count; ++c)
      shared().free[c].insert(shared().free[c].end(), free[c].begin(), free[c].end());
  }
};
thread_local Local local;

}  // namespace

MemoryStatistics memory_statistics() {
  auto& c = counters();
  return {c.in_use, c.peak, c.cached, c.requests};
}

void release_cached_memory() {
  std::array<std::vector<void*>, class_count> taken;
  {
    std::lock_guard lock(shared().mutex);
    std::swap(taken, shared().free);
  }
  for (std::size_t k = 0; k < class_count; ++k) {
    taken[k].insert(taken[k].end(), local.free[k].begin(), local.free[k].end());
    local.free[k].clear();
    counters().cached -= static_cast<std::int64_t>(taken[k].size() * class_size(k));
    for (void* block : taken[k]) std::free(block);
  }
}

namespace detail {

void* allocate(std::size_t bytes) {
  const std::size_t c = size_class(bytes);
  if (c >= class_count) throw Error(fmt::format("allocate: {} bytes are more than a tensor can hold", bytes));
  const std::size_t size = class_size(c);
  auto& count = counters();
  const auto now = count.in_use.fetch_add(static_cast<std::int64_t>(size), std::memory_order_relaxed) +
                   static_cast<std::int64_t>(size);
  auto peak = count.peak.load(std::memory_order_relaxed);
  while (peak < now && !count.peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
  const auto take = [&](std::vector<void*>& list) {
    void* block = list.back();
    list.pop_back();
    count.cached.fetch_sub(static_cast<std::int64_t>(size), std::memory_order_relaxed);
    return block;
  };
  if (size <= largest_local && local.alive && !local.free[c].empty()) return take(local.free[c]);
  {
    std::lock_guard lock(shared().mutex);
    if (!shared().free[c].empty()) return take(shared().free[c]);
  }
  count.requests.fetch_add(1, std::memory_order_relaxed);
  void* block = std::aligned_alloc(64, size);
  if (!block) {
    release_cached_memory();
    block = std::aligned_alloc(64, size);
  }
  if (!block) {
    count.in_use.fetch_sub(static_cast<std::int64_t>(size), std::memory_order_relaxed);
    throw Error(fmt::format("allocate: the system has no {} bytes left", bytes));
  }
  return block;
}

void deallocate(void* data, std::size_t bytes) noexcept {
  const std::size_t c = size_class(bytes);
  const std::size_t size = class_size(c);
  counters().in_use.fetch_sub(static_cast<std::int64_t>(size), std::memory_order_relaxed);
  if (!caching) return std::free(data);
  counters().cached.fetch_add(static_cast<std::int64_t>(size), std::memory_order_relaxed);
  if (size <= largest_local && local.alive && local.free[c].size() < local_limit) {
    local.free[c].push_back(data);
    return;
  }
  std::lock_guard lock(shared().mutex);
  shared().free[c].push_back(data);
}

Storage* Storage::create(std::size_t bytes) { return new (allocate(header_size + bytes)) Storage(bytes); }

Derived* Storage::set_derived(Derived* derived) noexcept {
  Derived* expected = nullptr;
  if (derived_.compare_exchange_strong(expected, derived, std::memory_order_acq_rel)) return derived;
  delete derived;
  return expected;
}

void Storage::drop_derived() noexcept { delete derived_.exchange(nullptr, std::memory_order_acq_rel); }

void Storage::destroy() noexcept {
  drop_derived();
  const std::size_t total = header_size + size_;
  this->~Storage();
  deallocate(this, total);
}

}  // namespace detail
}  // namespace rill
