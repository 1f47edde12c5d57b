#include "rill/train/fit.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "rill/autograd/tape.h"
#include "rill/nn/model.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "rill/train/checkpoint.h"
#include "rill/train/interrupt.h"
#include "rill/train/progress.h"

namespace rill::train::detail {
namespace {

// The means of the loss and the metrics over the examples of an epoch.
class Means {
 public:
  explicit Means(const std::vector<Metric>& metrics) : metrics_(&metrics), totals_(metrics.size() + 1, 0.0) {}

  void add(double loss, const Tensor& predictions, const Tensor& targets) {
    const std::int64_t batch = predictions.size(0);
    totals_[0] += loss * static_cast<double>(batch);
    for (std::size_t i = 0; i < metrics_->size(); ++i)
      totals_[i + 1] += (*metrics_)[i].total(predictions, targets);
    examples_ += batch;
  }
  Figures figures() const {
    Figures out;
    for (std::size_t i = 0; i < totals_.size(); ++i)
      out.emplace_back(i == 0 ? "loss" : (*metrics_)[i - 1].name,
                       totals_[i] / static_cast<double>(std::max<std::int64_t>(1, examples_)));
    return out;
  }
  void save_to(Checkpoint& checkpoint) const {
    checkpoint.examples = examples_;
    for (std::size_t i = 0; i < totals_.size(); ++i)
      checkpoint.totals.emplace_back(i == 0 ? "loss" : (*metrics_)[i - 1].name, totals_[i]);
  }
  void load_from(const Checkpoint& checkpoint, const std::string& where) {
    examples_ = checkpoint.examples;
    if (examples_ == 0) return;
    for (std::size_t i = 0; i < totals_.size(); ++i) {
      const std::string name = i == 0 ? "loss" : (*metrics_)[i - 1].name;
      const auto found = std::find_if(checkpoint.totals.begin(), checkpoint.totals.end(),
                                      [&](const auto& entry) { return entry.first == name; });
      if (found == checkpoint.totals.end())
        throw ValueError(fmt::format("{}: it was written in the middle of an epoch without the metric \"{}\"",
                                     where, name));
      totals_[i] = found->second;
    }
  }

 private:
  const std::vector<Metric>* metrics_;
  std::vector<double> totals_;
  std::int64_t examples_ = 0;
};

void check(const FitOptions& options) {
  if (!options.loss) throw ValueError("fit: no loss is given");
  if (options.epochs < 0)
    throw ValueError(fmt::format("fit: epochs is {}; expected 0 or more", options.epochs));
  if (options.batch_size < 1)
    throw ValueError(fmt::format("fit: batch_size is {}; expected at least 1", options.batch_size));
}

}  // namespace

Figures evaluate(const Forward& forward, const data::Dataset& data, const EvaluateOptions& options) {
  if (!options.loss) throw ValueError("evaluate: no loss is given");
  const PauseRecording pause;
  Means means(options.metrics);
  for (const auto& [inputs, targets] : data.batches(options.batch_size)) {
    const Tensor predictions = forward(inputs);
    means.add(options.loss(predictions, targets).item(), predictions, targets);
  }
  return means.figures();
}

History fit(const nn::Fields& model, const Forward& forward, const data::Dataset& training,
            FitOptions options) {
  check(options);
  const auto parameters = nn::parameters(model);
  Generator& random = default_generator();
  History history;
  std::int64_t epoch = 0, done = 0;
  Generator::State epoch_random = random.state();
  Means means(options.metrics);
  if (!options.resume.empty()) {
    const Checkpoint from = read_checkpoint(options.resume);
    restore(from, model, options.optimizer, options.resume);
    means.load_from(from, options.resume);
    history = from.history;
    epoch = from.epoch;
    done = from.step;
    epoch_random = from.epoch_random;
    random.set_state(from.random);
  }

  Progress progress(options.progress, options.epochs);
  const Interrupt interrupt;
  const auto save = [&](const std::string& path) {
    Checkpoint checkpoint;
    checkpoint.weights = nn::state(model);
    checkpoint.optimizer = options.optimizer.state();
    checkpoint.epoch = epoch;
    checkpoint.step = done;
    checkpoint.epoch_random = epoch_random;
    checkpoint.random = random.state();
    means.save_to(checkpoint);
    checkpoint.history = history;
    checkpoint.options = options.program_options;
    write_checkpoint(path, checkpoint);
  };
  const auto say = [&](const std::string& text) {
    progress.break_line();
    if (options.progress) fmt::print(options.progress, "{}\n", text);
  };
  Training state{model, options.optimizer, history, epoch, done, {}, nullptr, false, save, say};
  const auto call = [&](std::function<void(Training&)> Callback::*function) {
    for (const Callback& callback : options.callbacks)
      if (callback.*function) (callback.*function)(state);
  };
  call(&Callback::on_begin);

  while (epoch < options.epochs && !state.stop) {
    // The order of the examples comes from the random state at the beginning of the epoch, which a resumed
    // run goes back to for a moment.
    const Generator::State now = random.state();
    if (done > 0)
      random.set_state(epoch_random);
    else
      epoch_random = now;
    const data::Dataset ordered = options.shuffle ? training.shuffled() : training;
    if (done > 0) random.set_state(now);

    const auto batches = ordered.batches(options.batch_size, {.drop_last = options.drop_last});
    const std::int64_t steps = batches.size();
    state.epoch = epoch + 1;
    progress.begin_epoch(epoch + 1, steps, done);
    while (done < steps && !state.stop) {
      const auto [inputs, targets] = batches[done];
      Gradients gradients;
      {
        Tape tape;
        if (options.check_finite) tape.check_finite(nn::names(model));
        const Tensor predictions = forward(inputs);
        const Tensor loss = options.loss(predictions, targets);
        const double value = loss.item();
        if (!std::isfinite(value))
          throw ValueError(fmt::format(
              "fit: the loss is {} at step {} of epoch {}; a smaller learning rate or clipping may help; "
              ".check_finite finds where it begins",
              value, done + 1, epoch + 1));
        gradients = std::move(tape).gradient(loss);
        options.optimizer.update(parameters, gradients);
        means.add(value, predictions, targets);
      }
      ++done;
      state.step = done;
      state.figures = means.figures();
      progress.step(done, state.figures);
      state.gradients = &gradients;
      call(&Callback::on_step);
      state.gradients = nullptr;
      if (interrupt.requested() && done < steps) {
        state.stop = true;
        progress.break_line();
        if (options.checkpoint.empty()) {
          say(fmt::format("Stopped after step {} of epoch {}.", done, epoch + 1));
        } else {
          save(options.checkpoint);
          say(fmt::format("Stopped after step {} of epoch {}; go on with --resume, which reads {}", done,
                          epoch + 1, options.checkpoint));
        }
      }
    }
    if (done < steps) break;

    Figures figures = means.figures();
    if (options.validation)
      for (auto& [name, value] : evaluate(forward, *options.validation, {options.loss, options.metrics}))
        figures.emplace_back("val_" + name, value);
    progress.end_epoch(figures);
    history.epochs.push_back({epoch + 1, figures});
    ++epoch;
    done = 0;
    means = Means(options.metrics);
    epoch_random = random.state();
    state.figures = figures;
    call(&Callback::on_epoch);
    if (!options.checkpoint.empty()) save(options.checkpoint);
    if (interrupt.requested() && epoch < options.epochs) {
      state.stop = true;
      say(options.checkpoint.empty()
              ? fmt::format("Stopped after epoch {}.", epoch)
              : fmt::format("Stopped after epoch {}; go on with --resume, which reads {}", epoch,
                            options.checkpoint));
    }
  }
  call(&Callback::on_end);
  return history;
}

}  // namespace rill::train::detail
