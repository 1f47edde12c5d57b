#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace rill {

/// The number of threads that kernels use together, with the calling one: RILL_THREADS of the environment, or
/// what processors and control groups allow. Throws ValueError below 1, above 1024 and while RILL_THREADS is
/// wrong; Error in the middle of parallel work, and when the system gives no more threads: the old number
/// stays. The result of every kernel is the same to the last bit with any number.
void set_threads(int count);
int threads();

namespace detail {

template <class Signature>
class FunctionRef;

/// Refers to something callable for the length of a call. Unlike std::function it owns nothing and never
/// allocates.
template <class... Arguments>
class FunctionRef<void(Arguments...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_v<F&, Arguments...>)
      FunctionRef(F&& f)  // NOLINT: a lambda is meant to become one where it is passed
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Arguments... arguments) {
          (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Arguments>(arguments)...);
        }) {}
  void operator()(Arguments... arguments) const { call_(object_, std::forward<Arguments>(arguments)...); }

 private:
  void* object_;
  void (*call_)(void*, Arguments...);
};

/// Calls body(part) for each part in [0, parts), spread over the pool; returns when all are done. The calling
/// thread works too, and a thread meets the same parts again in a later call with as many of them, while they
/// are in its cache. Nested calls, and calls while another thread has the pool, run where they are. Of the
/// exceptions that parts throw, the one of the lowest part is thrown here. How work is cut into parts must
/// not depend on the number of threads. Parts run under kernels::FlushSubnormals.
void parallel_parts(std::int64_t parts, FunctionRef<void(std::int64_t)> body);

/// The same, but on this thread alone unless they are worth several.
void parallel_parts_if(bool worth_threads, std::int64_t parts, FunctionRef<void(std::int64_t)> body);

/// Calls body(begin, end) over [0, n) in parts of `grain` indices, the last one shorter.
void parallel_for(std::int64_t n, std::int64_t grain, FunctionRef<void(std::int64_t, std::int64_t)> body);

}  // namespace detail
}  // namespace rill
