#pragma once

namespace rill::train {

/// While one is in scope, Ctrl-C (SIGINT), SIGTERM and SIGHUP are a request to stop in place of the end of
/// the program, so that a step can be finished and a checkpoint written. A second of these signals, of the
/// same kind or another, ends the program at once. One that the program ignored, as under nohup, stays
/// ignored.
///
/// Several may be in scope, in one thread or in many: all of them see the request, and so does one that
/// begins before the last of them ends. The last one to end puts the signals' former handlers back.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const { return signal() != 0; }
  /// The number of the signal that came; 0 before one did.
  int signal() const;
};

}  // namespace rill::train
