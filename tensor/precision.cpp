#include "rill/tensor/precision.h"

#include <atomic>

namespace rill {
namespace {

std::atomic<Precision> current{Precision::float32};

}  // namespace

void set_matmul_precision(Precision precision) noexcept {
  current.store(precision, std::memory_order_relaxed);
}
Precision matmul_precision() noexcept { return current.load(std::memory_order_relaxed); }

}  // namespace rill
