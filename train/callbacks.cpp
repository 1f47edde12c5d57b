#include "rill/train/callbacks.h"

#include <cmath>
#include <limits>
#include <memory>

#include "fmt/format.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/utf8.h"
#include "rill/train/atomic_file.h"
#include "rill/train/checkpoint.h"

namespace rill::train {
namespace {

const Tensor* find(const nn::State& state, const std::string& name) {
  for (const auto& [known, tensor] : state)
    if (known == name) return &tensor;
  return nullptr;
}

// A number that a state holds as a scalar.
double number(const nn::State& state, const std::string& name) {
  const Tensor* value = find(state, name);
  if (!value || value->count() != 1) throw ValueError(fmt::format("its state lacks the number \"{}\"", name));
  return value->item();
}

std::int64_t whole_number(const nn::State& state, const std::string& name) {
  const double value = number(state, name);
  if (!(value >= 0 && value < 0x1p53 && value == std::floor(value)))
    throw ValueError(
        fmt::format("its state has {1} as \"{0}\"; expected a whole number of at least 0", name, value));
  return static_cast<std::int64_t>(value);
}

// The best value of a metric over the epochs. What is not a number is never the best.
class Best {
 public:
  explicit Best(Monitor monitor, double least_improvement = 0)
      : monitor_(std::move(monitor)), least_improvement_(least_improvement) {}

  /// Whether the newest epoch improves on the best one.
  bool improved(const History& history) {
    if (history.epochs.empty())
      throw ValueError("callback: the history holds no epoch, as another callback has changed it");
    const History::Epoch& epoch = history.epochs.back();
    const double* value = find(epoch);
    if (value) return see(epoch.number, *value);
    std::string known;
    for (const auto& [name, other] : epoch.metrics) known += (known.empty() ? "" : ", ") + name;
    throw ValueError(
        fmt::format("callback: there is no metric \"{}\" to watch; this run has {}", monitor_.metric, known));
  }
  /// Goes through the epochs of an earlier run that it has not seen, such as all of them where the checkpoint
  /// was written without this callback. Whether the last of them is now the best; those without the metric
  /// are skipped.
  bool replay(const History& history) {
    if (epoch_ > seen_ || waited_ > seen_ || seen_ > static_cast<std::int64_t>(history.epochs.size()))
      throw ValueError(
          fmt::format("callback: its state has seen {} epochs, of which {} was the best {} epochs ago; the "
                      "history has {}",
                      seen_, epoch_, waited_, history.epochs.size()));
    bool last_is_best = false;
    for (const History::Epoch& epoch : history.epochs)
      if (const double* value = find(epoch); value && epoch.number > seen_)
        last_is_best = see(epoch.number, *value);
    return last_is_best;
  }

  const std::string& metric() const { return monitor_.metric; }
  double value() const { return value_; }  ///< NaN while there is none
  std::int64_t epoch() const { return epoch_; }
  std::int64_t waited() const { return waited_; }  ///< epochs since the best one

  nn::State state() const {
    return {{"best", full({}, value_, DType::float64)},
            {"epoch", whole(epoch_)},
            {"waited", whole(waited_)},
            {"seen", whole(seen_)}};
  }
  void set_state(const nn::State& state) {
    Best read(monitor_, least_improvement_);
    if (!state.empty()) {
      read.value_ = number(state, "best");
      read.epoch_ = whole_number(state, "epoch");
      read.waited_ = whole_number(state, "waited");
      read.seen_ = whole_number(state, "seen");
    }
    *this = read;
  }

 private:
  const double* find(const History::Epoch& epoch) const {
    for (const auto& [name, value] : epoch.metrics)
      if (name == monitor_.metric) return &value;
    return nullptr;
  }
  static Tensor whole(std::int64_t value) { return full({}, static_cast<double>(value), DType::int64); }
  bool see(std::int64_t epoch, double value) {
    seen_ = epoch;
    const double gain = monitor_.smaller_is_better ? value_ - value : value - value_;
    const bool better = std::isnan(value_) ? !std::isnan(value) : gain > least_improvement_;
    waited_ = better ? 0 : waited_ + 1;
    if (!better) return false;
    value_ = value;
    epoch_ = epoch;
    return true;
  }

  Monitor monitor_;
  double least_improvement_;
  double value_ = std::numeric_limits<double>::quiet_NaN();
  std::int64_t epoch_ = 0, waited_ = 0, seen_ = 0;
};

// A path as part of a name, which is UTF-8: in one that is not, the bytes beyond ASCII are escaped.
std::string printable(const std::string& path) {
  if (find_invalid_utf8(path) == std::string::npos) return path;
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x80 ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return out;
}

constexpr std::string_view weight_prefix = "weight.";

}  // namespace

Callback early_stopping(EarlyStopping options) {
  if (options.patience < 0)
    throw ValueError(fmt::format("early_stopping: patience is {}; expected 0 or more", options.patience));
  if (!(options.least_improvement >= 0))
    throw ValueError(fmt::format("early_stopping: least_improvement is {}; expected 0 or more",
                                 options.least_improvement));
  struct Memory {
    Best best;
    nn::State weights;  // of the best epoch; none where they are not known
  };
  auto memory = std::make_shared<Memory>(Memory{Best(options.monitor, options.least_improvement), {}});
  const auto stop_if_waited_enough = [memory, options](Training& training) {
    const Best& best = memory->best;
    if (best.waited() == 0 || best.waited() < options.patience) return;
    training.stop = true;
    training.say(std::isnan(best.value()) ? fmt::format("Epoch {}: early stopping; {} was never a number",
                                                        training.epoch, best.metric())
                                          : fmt::format("Epoch {}: early stopping; the best {} was {:.4f}",
                                                        training.epoch, best.metric(), best.value()));
  };
  Callback callback;
  callback.name = "early_stopping of " + options.monitor.metric;
  callback.state = [memory] {
    nn::State state = memory->best.state();
    for (const auto& [name, tensor] : memory->weights)
      state.emplace_back(std::string(weight_prefix) + name, tensor);
    return state;
  };
  callback.set_state = [memory](const nn::State& state) {
    memory->best.set_state(state);
    memory->weights.clear();
    for (const auto& [name, tensor] : state)
      if (name.starts_with(weight_prefix))
        memory->weights.emplace_back(name.substr(weight_prefix.size()), tensor);
  };
  callback.on_begin = [memory, options, stop_if_waited_enough](Training& training) {
    const std::int64_t before = memory->best.epoch();
    const bool last_is_best = memory->best.replay(training.history);
    if (memory->best.epoch() != before) memory->weights.clear();
    // Between two epochs the model is as the last one left it.
    if (last_is_best && options.restore_best && training.step == 0)
      memory->weights = nn::state(training.model);
    const std::string problems =
        memory->weights.empty() ? "" : nn::differences(training.model, memory->weights);
    if (!problems.empty())
      throw ValueError(fmt::format("early_stopping: the best weights do not fit the model:{}", problems));
    stop_if_waited_enough(training);
  };
  callback.on_epoch = [memory, options, stop_if_waited_enough](Training& training) {
    if (!memory->best.improved(training.history))
      stop_if_waited_enough(training);
    else if (options.restore_best)
      memory->weights = nn::state(training.model);
  };
  callback.on_end = [memory, options](Training& training) {
    const Best& best = memory->best;
    if (!options.restore_best || training.failed || std::isnan(best.value())) return;
    if (memory->weights.empty())
      training.say(
          fmt::format("early_stopping: the weights of epoch {}, the best, are not known, as the "
                      "checkpoint does not hold them; the model keeps its last ones",
                      best.epoch()));
    else
      nn::load_state(training.model, memory->weights, "early_stopping");
  };
  return callback;
}

Callback best_checkpoint(std::string path, Monitor monitor) {
  auto best = std::make_shared<Best>(std::move(monitor));
  Callback callback;
  callback.name = "best_checkpoint " + printable(path);
  callback.state = [best] { return best->state(); };
  callback.set_state = [best](const nn::State& state) { best->set_state(state); };
  callback.on_begin = [best, path](Training& training) {
    check_writable(path);
    best->replay(training.history);
  };
  callback.on_epoch = [best, path](Training& training) {
    if (best->improved(training.history)) training.save(path);
  };
  return callback;
}

Callback periodic_checkpoint(std::string path, std::int64_t epochs) {
  if (epochs < 1)
    throw ValueError(fmt::format("periodic_checkpoint: every {} epochs; expected at least 1", epochs));
  const auto path_of = [path = std::move(path)](std::int64_t epoch) {
    std::string name = path;
    const std::string mark = "{epoch}";
    if (const auto at = name.find(mark); at != std::string::npos)
      name.replace(at, mark.size(), std::to_string(epoch));
    return name;
  };
  Callback callback;
  callback.on_begin = [path_of, epochs](Training& training) {
    check_writable(path_of((training.epoch / epochs + 1) * epochs));
  };
  callback.on_epoch = [path_of, epochs](Training& training) {
    if (training.epoch % epochs == 0) training.save(path_of(training.epoch));
  };
  return callback;
}

Callback learning_rate_schedule(std::function<double(std::int64_t)> factor) {
  if (!factor) throw ValueError("learning_rate_schedule: the function is empty; expected factor(epoch)");
  const auto set = [factor = std::move(factor)](Training& training) {
    training.optimizer.set_learning_rate_factor(factor(training.epoch + 1));
  };
  Callback callback;
  callback.on_begin = set;
  callback.on_epoch = set;
  return callback;
}

}  // namespace rill::train
