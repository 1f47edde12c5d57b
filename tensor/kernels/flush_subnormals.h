#pragma once

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace rill::kernels {

/// While this lives, results of this thread that are too small to be normal numbers (below 1.2e-38 in
/// float32, 2.2e-308 in float64) are zero. A gradient that vanishes would otherwise stay at the smallest
/// subnormal number, which times 0.75 rounds to itself, and some processors take a hundred times as long for
/// it. What is read is not flushed. On processors other than x86 this does nothing.
class FlushSubnormals {
 public:
  FlushSubnormals() : before_(get()) {
    if (before_ != flushing()) set(flushing());
  }
  ~FlushSubnormals() {
    if (before_ != flushing()) set(before_);
  }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
#if defined(__SSE__)
  static unsigned get() { return _mm_getcsr(); }
  static void set(unsigned control) { _mm_setcsr(control); }
  unsigned flushing() const { return before_ | _MM_FLUSH_ZERO_ON; }
#else
  static unsigned get() { return 0; }
  static void set(unsigned) {}
  unsigned flushing() const { return 0; }
#endif

  unsigned before_;
};

}  // namespace rill::kernels
