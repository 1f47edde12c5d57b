#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string_view>

namespace rill {

/// Figures of the caching allocator, since the program began; those in bytes to within 64 KiB for each
/// thread.
struct MemoryStatistics {
  std::int64_t in_use;           ///< bytes held by living tensors
  std::int64_t peak_in_use;      ///< the largest value of in_use
  std::int64_t cached;           ///< bytes kept for reuse
  std::int64_t system_requests;  ///< how often memory was asked of the system
};
MemoryStatistics memory_statistics();

/// Gives the memory that is kept for reuse back to the system.
void release_cached_memory();

namespace detail {

/// Bytes aligned to 64, from the caching allocator. Uninitialised. Null when the system does not have them.
void* try_allocate(std::size_t bytes) noexcept;
/// The same, but throws Error.
void* allocate(std::size_t bytes);
void deallocate(void* data, std::size_t bytes) noexcept;

/// How many bytes the machine has, at most.
std::size_t memory_of_machine();
[[noreturn]] void throw_no_memory(std::string_view what, std::uint64_t count, std::size_t size);
/// Does what makes a container of the standard library, of `count` elements of `size` bytes. Throws Error,
/// naming `what`, where the system does not have the memory.
template <class F>
auto with_memory(std::string_view what, std::uint64_t count, std::size_t size, F&& take) {
  // A system may grant more than it has, and end the program later.
  if (count <= memory_of_machine() / size) try {
      return take();
    } catch (const std::bad_alloc&) {
    } catch (const std::length_error&) {
    }
  throw_no_memory(what, count, size);
}

/// Something computed from a storage's bytes and kept beside them, such as a weight packed for matrix
/// products. It is dropped when the storage is written to, so it can never be stale.
struct Derived {
  virtual ~Derived() = default;
};

/// A reference-counted block of bytes that tensors share. It is written to only by a sole owner.
class Storage {
 public:
  /// With one reference; the bytes follow the header. Null when the system does not have them.
  static Storage* try_create(std::size_t bytes) noexcept;
  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    // The last reference cannot become another's meanwhile; to look costs less than to subtract.
    if (unique() || references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  bool unique() const noexcept { return references_.load(std::memory_order_acquire) == 1; }
  std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this) + header_size; }
  std::size_t size() const noexcept { return size_; }

  /// The one thing derived from the bytes as they are now, or null. What is set stays owned by the storage.
  /// When two threads set one at the same moment the first wins, and what `set_derived` returns is it.
  Derived* derived() const noexcept { return derived_.load(std::memory_order_acquire); }
  Derived* set_derived(Derived* derived) noexcept;
  /// Called before the bytes change.
  void drop_derived() noexcept;

 private:
  static constexpr std::size_t header_size = 64;
  explicit Storage(std::size_t size) : size_(size) {}
  void destroy() noexcept;

  std::atomic<std::int64_t> references_{1};
  std::size_t size_;
  std::atomic<Derived*> derived_{nullptr};
};

}  // namespace detail
}  // namespace rill
