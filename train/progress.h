#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace rill::train {

using Figures = std::vector<std::pair<std::string, double>>;

/// The progress of training as Keras shows it: on a terminal a line that is drawn anew, with a bar, the steps
/// done, the time left and the figures so far; elsewhere one line an epoch. What cannot be written is left
/// out: training goes on without it.
class Progress {
 public:
  /// Writes to `out`; null writes nothing.
  Progress(std::FILE* out, std::int64_t epochs);
  ~Progress() { break_line(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of the epoch's steps were taken before, by an earlier run.
  void begin_epoch(std::int64_t epoch, std::int64_t steps, std::int64_t done = 0);
  void step(std::int64_t done, const Figures& figures);
  void end_epoch(const Figures& figures);
  /// Ends the line that is being drawn, so that something else can be written.
  void break_line();
  /// Writes a line of its own.
  void say(const std::string& text);

 private:
  std::string line(std::int64_t done, const Figures& figures, bool finished) const;
  using Clock = std::chrono::steady_clock;

  std::FILE* out_;
  bool terminal_;
  std::int64_t epochs_;
  std::int64_t epoch_ = 0;
  std::int64_t steps_ = 0;
  std::int64_t first_ = 0;
  bool drawing_ = false;
  Clock::time_point begun_, drawn_, stepped_;
};

}  // namespace rill::train
