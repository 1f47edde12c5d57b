#include "rill/train/callbacks.h"

#include <cmath>
#include <limits>
#include <memory>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/train/checkpoint.h"

namespace rill::train {
namespace {

// The best value of a metric so far.
class Best {
 public:
  explicit Best(Monitor monitor) : monitor_(std::move(monitor)) {}

  /// Whether the newest epoch improves on the best one by more than `least`.
  bool improved(const Training& training, double least = 0) {
    const double value = newest(training);
    const double gain = monitor_.smaller_is_better ? best_ - value : value - best_;
    if (seen_ && !(gain > least)) return false;
    best_ = value;
    seen_ = true;
    return true;
  }
  double value() const { return best_; }

 private:
  double newest(const Training& training) const {
    std::string known;
    for (const auto& [name, value] : training.history.epochs.back().metrics) {
      if (name == monitor_.metric) return value;
      known += (known.empty() ? "" : ", ") + name;
    }
    throw ValueError(
        fmt::format("callback: there is no metric \"{}\" to watch; this run has {}", monitor_.metric, known));
  }

  Monitor monitor_;
  double best_ = 0;
  bool seen_ = false;
};

}  // namespace

Callback early_stopping(EarlyStopping options) {
  struct State {
    Best best;
    std::int64_t waited = 0;
    nn::State weights;
  };
  auto state = std::make_shared<State>(State{Best(options.monitor), 0, {}});
  Callback callback;
  callback.on_epoch = [state, options](Training& training) {
    if (state->best.improved(training, options.least_improvement)) {
      state->waited = 0;
      if (options.restore_best) state->weights = nn::state(training.model);
    } else if (++state->waited >= options.patience) {
      training.stop = true;
      training.say(fmt::format("Epoch {}: early stopping; the best {} was {:.4f}", training.epoch,
                               options.monitor.metric, state->best.value()));
    }
  };
  callback.on_end = [state](Training& training) {
    if (!state->weights.empty()) nn::load_state(training.model, state->weights, "early_stopping");
  };
  return callback;
}

Callback best_checkpoint(std::string path, Monitor monitor) {
  auto best = std::make_shared<Best>(std::move(monitor));
  Callback callback;
  callback.on_epoch = [best, path = std::move(path)](Training& training) {
    if (best->improved(training)) training.save(path);
  };
  return callback;
}

Callback periodic_checkpoint(std::string path, std::int64_t epochs) {
  if (epochs < 1)
    throw ValueError(fmt::format("periodic_checkpoint: every {} epochs; expected at least 1", epochs));
  Callback callback;
  callback.on_epoch = [path = std::move(path), epochs](Training& training) {
    if (training.epoch % epochs != 0) return;
    std::string name = path;
    const std::string mark = "{epoch}";
    if (const auto at = name.find(mark); at != std::string::npos)
      name.replace(at, mark.size(), std::to_string(training.epoch));
    training.save(name);
  };
  return callback;
}

Callback learning_rate_schedule(std::function<double(std::int64_t)> factor) {
  Callback callback;
  callback.on_begin = [factor](Training& training) {
    training.optimizer.set_learning_rate_factor(factor(training.epoch + 1));
  };
  callback.on_epoch = [factor](Training& training) {
    training.optimizer.set_learning_rate_factor(factor(training.epoch + 1));
  };
  return callback;
}

}  // namespace rill::train
