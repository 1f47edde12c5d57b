#include "rill/train/progress.h"

#include <unistd.h>

#include <algorithm>

#include "fmt/format.h"

namespace rill::train {
namespace {

constexpr std::int64_t bar_width = 30;
constexpr std::chrono::milliseconds redraw_after{100};

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string bar(std::int64_t done, std::int64_t steps) {
  const std::int64_t filled = steps == 0 ? bar_width : bar_width * done / steps;
  std::string out(static_cast<std::size_t>(filled), '=');
  if (filled < bar_width) {
    out += '>';
    out.resize(bar_width, '.');
  }
  return "[" + out + "]";
}

std::string step_time(double seconds) {
  if (seconds >= 1) return fmt::format("{:.1f}s/step", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.0f}ms/step", seconds * 1e3);
  return fmt::format("{:.0f}us/step", seconds * 1e6);
}

// Unlike fmt::print it does not throw.
void write(std::FILE* out, const std::string& text) { std::fwrite(text.data(), 1, text.size(), out); }

}  // namespace

Progress::Progress(std::FILE* out, std::int64_t epochs)
    : out_(out), terminal_(out && ::isatty(::fileno(out)) == 1), epochs_(epochs) {}

void Progress::begin_epoch(std::int64_t epoch, std::int64_t steps, std::int64_t done) {
  epoch_ = epoch;
  steps_ = steps;
  first_ = done;
  begun_ = drawn_ = stepped_ = Clock::now();
  if (out_ && terminal_) write(out_, fmt::format("Epoch {}/{}\n", epoch_, epochs_));
}

std::string Progress::line(std::int64_t done, const Figures& figures, bool finished) const {
  const double elapsed = std::chrono::duration<double>(stepped_ - begun_).count();
  const double a_step = elapsed / static_cast<double>(std::max<std::int64_t>(1, done - first_));
  std::string out =
      fmt::format("{:>{}}/{} {} - ", done, fmt::formatted_size("{}", steps_), steps_, bar(done, steps_));
  out += finished ? duration(elapsed) : "ETA: " + duration(a_step * static_cast<double>(steps_ - done));
  out += " " + step_time(a_step);
  for (const auto& [name, value] : figures) out += fmt::format(" - {}: {:.4f}", name, value);
  return out;
}

void Progress::step(std::int64_t done, const Figures& figures) {
  stepped_ = Clock::now();  // what comes between the last step and the end of the epoch is not training
  if (!out_ || !terminal_ || stepped_ - drawn_ < redraw_after) return;
  drawn_ = stepped_;
  drawing_ = true;
  write(out_, fmt::format("\r{}\x1b[K", line(done, figures, false)));
  std::fflush(out_);
}

void Progress::end_epoch(const Figures& figures) {
  if (!out_) return;
  if (terminal_)
    write(out_, fmt::format("\r{}\x1b[K\n", line(steps_, figures, true)));
  else
    write(out_, fmt::format("Epoch {}/{} {}\n", epoch_, epochs_, line(steps_, figures, true)));
  drawing_ = false;
  std::fflush(out_);
}

void Progress::break_line() {
  if (drawing_) write(out_, "\n");
  drawing_ = false;
}

void Progress::say(const std::string& text) {
  break_line();
  if (out_) write(out_, text + "\n");
}

}  // namespace rill::train
