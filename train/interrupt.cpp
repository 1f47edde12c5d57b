#include "rill/train/interrupt.h"

#include <array>
#include <atomic>
#include <csignal>
#include <mutex>

namespace rill::train {
namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};

std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may use nothing else");

std::mutex mutex;  // of what follows
int in_scope = 0;
std::array<struct sigaction, signals.size()> former;

void handle(int signal) {
  int none = 0;
  if (received.compare_exchange_strong(none, signal)) return;
  // It is blocked until this handler returns, and then ends the program.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  ::raise(signal);
}

}  // namespace

Interrupt::Interrupt() {
  const std::lock_guard lock(mutex);
  if (in_scope++ > 0) return;
  received = 0;
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    ::sigaction(signals[i], nullptr, &former[i]);
    if (former[i].sa_handler != SIG_IGN) ::sigaction(signals[i], &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  const std::lock_guard lock(mutex);
  if (--in_scope > 0) return;
  for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &former[i], nullptr);
}

int Interrupt::signal() const { return received; }

}  // namespace rill::train
