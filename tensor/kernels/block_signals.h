#pragma once

#include <csignal>

namespace rill::kernels {

/// While this lives, no signal handler runs on this thread, and threads that it starts run none at all:
/// signals wait, or go to another thread. Those that an instruction itself raises, such as SIGSEGV, come
/// through.
class BlockSignals {
 public:
  explicit BlockSignals(bool blocks = true) : blocks_(blocks) {
    if (!blocks) return;
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (int raised_in_place : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
      ::sigdelset(&blocked, raised_in_place);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~BlockSignals() {
    if (blocks_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  bool blocks_;
  sigset_t before_;
};

}  // namespace rill::kernels
