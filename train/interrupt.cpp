#include "rill/train/interrupt.h"

#include <csignal>

namespace rill::train {
namespace {

volatile std::sig_atomic_t signalled = 0;
struct sigaction previous_interrupt, previous_terminate;

void note(int signal) {
  signalled = 1;
  // The next one is handled as if nobody had asked to be told.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  signalled = 0;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, &previous_interrupt);
  ::sigaction(SIGTERM, &action, &previous_terminate);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &previous_interrupt, nullptr);
  ::sigaction(SIGTERM, &previous_terminate, nullptr);
}

bool Interrupt::requested() const { return signalled != 0; }

}  // namespace rill::train
