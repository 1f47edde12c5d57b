#pragma once

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace rill::kernels {

/// While this lives, results of this thread that are too small to be normal numbers (below 1.2e-38 in
/// float32, 2.2e-308 in float64) are zero. A gradient that vanishes would otherwise stay at the smallest
/// subnormal number, which times 0.75 rounds to itself, and some processors take many times as long for
/// it. What is read is not flushed. On processors other than x86 this does nothing.
class FlushSubnormals {
 public:
  FlushSubnormals() : flushed_before_((get() & flushes) == flushes) {
    if (!flushed_before_) set(get() | flushes);
  }
  // What a thread is told of exceptions, such as a division by zero, stays told.
  ~FlushSubnormals() {
    if (!flushed_before_) set(get() & ~flushes);
  }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
#if defined(__SSE__)
  static unsigned get() { return _mm_getcsr(); }
  static void set(unsigned control) { _mm_setcsr(control); }
  static constexpr unsigned flushes = _MM_FLUSH_ZERO_ON;
#else
  static unsigned get() { return 0; }
  static void set(unsigned) {}
  static constexpr unsigned flushes = 0;
#endif

  bool flushed_before_;
};

}  // namespace rill::kernels
