#pragma once

namespace rill::train {

/// While one is in scope, Ctrl-C (SIGINT) and SIGTERM set a flag in place of ending the program, so that a
/// step can be finished and a checkpoint written. A second signal ends the program at once.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const;
};

}  // namespace rill::train
