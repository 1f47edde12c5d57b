#pragma once

#include <type_traits>

#include "rill/tensor/tensor.h"

namespace rill {

namespace detail {

/// Who is told of named values on this thread, and whether `fused` shows what is inside its expressions: it
/// then evaluates them as operations on tensors, its third reading.
class Observer {
 public:
  virtual void see(const char* name, const Tensor& value) = 0;

 protected:
  ~Observer() = default;
};
extern thread_local constinit Observer* observer;
extern thread_local constinit int reading_tensors;

/// Makes an observer the one of this thread, and `fused` read tensors, for the length of a scope.
class Observing {
 public:
  explicit Observing(Observer& by);
  ~Observing();
  Observing(const Observing&) = delete;
  Observing& operator=(const Observing&) = delete;

 private:
  Observer* before_;
};

}  // namespace detail

/// Names a value within a recurrent cell, such as a gate, for `trace` (rill/nn/recurrent.h) to find, and
/// returns it. Within an expression given to `fused`, too, where it costs nothing: when a trace is taken the
/// expression is evaluated on tensors. Names are those of one step: what a cell's `input` does with the whole
/// sequence has none.
///
///   auto keep = named("forget", sigmoid(named("forget_preactivation", f)));
template <class X>
requires(!std::is_convertible_v<X, Tensor>) [[gnu::always_inline]] inline X named(const char*, const X& x) {
  return x;
}
inline Tensor named(const char* name, const Tensor& x) {
  if (detail::observer) [[unlikely]]
    detail::observer->see(name, x);
  return x;
}

}  // namespace rill
