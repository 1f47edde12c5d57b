#include "rill/tensor/kernels/program_end.h"

#include <atomic>
#include <thread>

namespace rill::gemm {
namespace {

std::atomic<bool> ending{false};

// The thread_local objects of the main thread are the first to be destroyed.
const std::thread::id main_thread = std::this_thread::get_id();
struct SaysSo {
  bool watches = true;
  ~SaysSo() {
    if (std::this_thread::get_id() == main_thread) ending.store(true, std::memory_order_relaxed);
  }
};
thread_local SaysSo at_end;
[[maybe_unused]] const bool watches = at_end.watches;  // makes it on the main thread

}  // namespace

bool is_program_ending() noexcept { return ending.load(std::memory_order_relaxed); }

}  // namespace rill::gemm
