#include "rill/train/fit.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <set>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "rill/autograd/tape.h"
#include "rill/nn/model.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "rill/tensor/utf8.h"
#include "rill/train/atomic_file.h"
#include "rill/train/checkpoint.h"
#include "rill/train/interrupt.h"
#include "rill/train/progress.h"

namespace rill::train::detail {
namespace {

// The means of an epoch: of the loss over what counts in it, of the metrics over the examples.
class Means {
 public:
  explicit Means(const std::vector<Metric>& metrics) : metrics_(&metrics), totals_(metrics.size() + 1, 0.0) {}

  void add(double loss, double weight, const Tensor& predictions, const Tensor& targets) {
    if (weight > 0) totals_[0] += loss * weight;
    loss_weight_ += weight;
    for (std::size_t i = 0; i < metrics_->size(); ++i)
      totals_[i + 1] += (*metrics_)[i].total(predictions, targets);
    examples_ += targets.size(0);
  }
  Figures figures() const {
    Figures out;
    for (std::size_t i = 0; i < totals_.size(); ++i) {
      const double over = i == 0 ? loss_weight_ : static_cast<double>(examples_);
      out.emplace_back(name(i), over == 0 ? std::numeric_limits<double>::quiet_NaN() : totals_[i] / over);
    }
    return out;
  }
  void save_to(Checkpoint& checkpoint) const {
    checkpoint.examples = examples_;
    checkpoint.loss_weight = loss_weight_;
    for (std::size_t i = 0; i < totals_.size(); ++i) checkpoint.totals.emplace_back(name(i), totals_[i]);
  }
  /// The sum of the loss; NaN where there is none.
  static double loss_total_in(const Checkpoint& checkpoint) {
    const double* total = find(checkpoint, "loss");
    return total ? *total : std::numeric_limits<double>::quiet_NaN();
  }
  /// The names of what the checkpoint lacks.
  std::vector<std::string> missing_in(const Checkpoint& checkpoint) const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < totals_.size(); ++i)
      if (!find(checkpoint, name(i))) out.push_back(name(i));
    return out;
  }
  void load_from(const Checkpoint& checkpoint) {
    examples_ = checkpoint.examples;
    loss_weight_ = checkpoint.loss_weight;
    for (std::size_t i = 0; i < totals_.size(); ++i) totals_[i] = *find(checkpoint, name(i));
  }

 private:
  const std::string& name(std::size_t i) const {
    static const std::string loss = "loss";
    return i == 0 ? loss : (*metrics_)[i - 1].name;
  }
  static const double* find(const Checkpoint& checkpoint, const std::string& name) {
    for (const auto& [known, total] : checkpoint.totals)
      if (known == name) return &total;
    return nullptr;
  }

  const std::vector<Metric>* metrics_;
  std::vector<double> totals_;
  double loss_weight_ = 0;
  std::int64_t examples_ = 0;
};

void check_figures(const char* where, const Loss& loss, const std::vector<Metric>& metrics, bool validation) {
  if (!loss) throw ValueError(fmt::format("{}: no loss is given", where));
  std::set<std::string> names = {"epoch", "loss"};
  if (validation) names.insert("val_loss");
  for (const Metric& metric : metrics) {
    if (!metric.total)
      throw ValueError(fmt::format("{}: the metric \"{}\" has no function", where, metric.name));
    if (!names.insert(metric.name).second || (validation && !names.insert("val_" + metric.name).second))
      throw ValueError(fmt::format("{}: the name \"{}\" of a metric is taken; expected one for each figure",
                                   where, metric.name));
  }
}

void check_callbacks(const std::vector<Callback>& callbacks) {
  std::set<std::string> names;
  for (const Callback& callback : callbacks) {
    if (!callback.name.empty() && !names.insert(callback.name).second)
      throw ValueError(
          fmt::format("fit: two callbacks have the name \"{}\", by which checkpoints know them; "
                      "expected another .name for one of them",
                      callback.name));
    if (static_cast<bool>(callback.state) != static_cast<bool>(callback.set_state) ||
        (callback.state && callback.name.empty()))
      throw ValueError(fmt::format(
          "fit: the callback \"{}\" remembers something; expected .name, .state and .set_state together",
          callback.name));
  }
}

// What would keep a checkpoint or a history from being written, said before training.
void check_texts(const nn::Fields& model, const FitOptions& options) {
  for (const auto& [name, parameter] : nn::parameters(model))
    check_utf8(name, "fit: the name of a parameter");
  for (const Metric& metric : options.metrics) check_utf8(metric.name, "fit: the name of a metric");
  for (const Callback& callback : options.callbacks) check_utf8(callback.name, "fit: the name of a callback");
  for (const auto& [name, value] : options.program_options) {
    check_utf8(name, "fit: a name in program_options");
    check_utf8(value, fmt::format("fit: program_options[\"{}\"]", name));
  }
}

void check(const FitOptions& options) {
  check_figures("fit", options.loss, options.metrics, options.validation.has_value());
  check_callbacks(options.callbacks);
  if (options.epochs < 0)
    throw ValueError(fmt::format("fit: epochs is {}; expected 0 or more", options.epochs));
  if (options.batch_size < 1)
    throw ValueError(fmt::format("fit: batch_size is {}; expected at least 1", options.batch_size));
  if (options.validation && options.validation->size() == 0)
    throw ValueError("fit: the validation data hold no example; expected at least one");
  if (!options.checkpoint.empty()) check_writable(options.checkpoint);
}

// The loss of a batch: one number, and over how much it is the mean.
nn::MeanLoss checked_loss(const char* where, const Loss& function, const Tensor& predictions,
                          const Tensor& targets) {
  if (!predictions.defined())
    throw ValueError(fmt::format("{}: the model returned a tensor without a value", where));
  nn::MeanLoss loss = function(predictions, targets);
  if (!loss.defined()) throw ValueError(fmt::format("{}: the loss is a tensor without a value", where));
  if (loss.count() != 1)
    throw ShapeError(fmt::format("{}: the loss has shape {}; expected one number, such as the mean of these",
                                 where, to_string(loss.shape())));
  if (!(std::isfinite(loss.weight) && loss.weight >= 0))
    throw ValueError(fmt::format("{}: the loss is a mean over {}; expected a finite number of at least 0",
                                 where, loss.weight));
  return loss;
}

nn::State checked_state(const Callback& callback) {
  nn::State state = callback.state();
  std::set<std::string> names;
  for (const auto& [name, tensor] : state) {
    check_utf8(name, fmt::format("fit: a name in the state of callback \"{}\"", callback.name));
    if (!tensor.defined() || !names.insert(name).second)
      throw ValueError(
          fmt::format("fit: the state of callback \"{}\" has \"{}\" {}; expected one tensor with a value",
                      callback.name, name, tensor.defined() ? "twice" : "without a value"));
  }
  return state;
}

std::string to_string(const Batching& batching) {
  return fmt::format("{} examples in {} of {}{}", batching.samples,
                     batching.shuffle ? "shuffled batches" : "batches", batching.batch_size,
                     batching.drop_last ? ", without a last one that is not full" : "");
}

// Throws one error that lists all that keeps a run from going on from a checkpoint, but for the model and the
// optimiser, which `restore` looks at.
void check_resumes(const Checkpoint& from, const FitOptions& options, const Batching& batching,
                   std::int64_t steps, const Means& means) {
  std::vector<std::string> problems;
  if (from.epoch < 0 || from.step < 0 || from.total_steps < from.epoch + from.step)
    problems.push_back(fmt::format("it counts {} epochs, {} steps after them and {} steps in all", from.epoch,
                                   from.step, from.total_steps));
  else if (from.epoch > options.epochs || (from.epoch == options.epochs && from.step > 0))
    problems.push_back(fmt::format("it stands {} steps after epoch {}, and this run ends after epoch {}",
                                   from.step, from.epoch, options.epochs));
  if (from.history.epochs.size() != static_cast<std::size_t>(std::max<std::int64_t>(0, from.epoch)))
    problems.push_back(
        fmt::format("its history has {} epochs after {}", from.history.epochs.size(), from.epoch));
  if (from.step > 0) {
    if (from.batching && !(*from.batching == batching))
      problems.push_back(fmt::format("it stopped in the middle of an epoch of {}, and this run has {}",
                                     to_string(*from.batching), to_string(batching)));
    else if (from.step > steps ||
             from.examples != std::min(from.step * batching.batch_size, batching.samples))
      problems.push_back(
          fmt::format("it stopped after {} examples in step {} of an epoch, and this run has {}",
                      from.examples, from.step, to_string(batching)));
    if (const double total = Means::loss_total_in(from);
        !std::isfinite(total) || !std::isfinite(from.loss_weight) || from.loss_weight < 0)
      problems.push_back(fmt::format("the sum of its loss is {}, over {}", total, from.loss_weight));
    for (const std::string& name : means.missing_in(from))
      problems.push_back(fmt::format("it stopped in the middle of an epoch without the metric \"{}\"", name));
  }
  if (!problems.empty())
    throw ValueError(fmt::format("{}: this run cannot go on from the checkpoint: {}", options.resume,
                                 fmt::join(problems, "; ")));
}

class Run {
 public:
  Run(const nn::Fields& model, const Forward& forward, const data::Dataset& training, FitOptions& options)
      : model_(model),
        forward_(forward),
        training_(training),
        options_(options),
        parameters_(nn::parameters(model)),
        batching_{training.size(), options.batch_size, options.shuffle, options.drop_last},
        steps_(training.batches(options.batch_size, {.drop_last = options.drop_last}).size()),
        means_(options.metrics),
        progress_(options.progress, options.epochs),
        state_{.model = model,
               .optimizer = options.optimizer,
               .history = history_,
               .save = [this](const std::string& path) { save(path); },
               .say = [this](const std::string& text) { progress_.say(text); }} {
    if (steps_ == 0)
      throw ValueError(fmt::format("fit: there is no batch to train on in {}", to_string(batching_)));
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  History operator()() {
    std::exception_ptr failure;
    try {
      begin();
      while (epoch_ < options_.epochs && !state_.stop) run_epoch();
    } catch (...) {
      failure = std::current_exception();
    }
    end(failure);
    return history_;
  }

 private:
  void begin() {
    if (options_.resume.empty()) {
      begin_callbacks(nullptr);
      return;
    }
    const Checkpoint from = read_checkpoint(options_.resume);
    check_resumes(from, options_, batching_, steps_, means_);
    // Whatever keeps the run from beginning, all is then as it was.
    const nn::State weights = nn::state(model_);
    const optim::State optimizer = options_.optimizer.state();
    const Generator::State random = random_.state();
    std::vector<nn::State> remembered;
    for (const Callback& callback : options_.callbacks)
      remembered.push_back(callback.state ? callback.state() : nn::State());
    restore(from, model_, options_.optimizer, options_.resume);
    try {
      random_.set_state(from.random);
      if (from.step > 0) means_.load_from(from);
      history_ = from.history;
      epoch_random_ = from.epoch_random;
      epoch_ = state_.epoch = from.epoch;
      done_ = state_.step = from.step;
      state_.total_steps = from.total_steps;
      begin_callbacks(&from);
    } catch (...) {
      const std::exception_ptr failure = std::current_exception();
      random_.set_state(random);
      nn::load_state(model_, weights, "fit");
      options_.optimizer.set_state(parameters_, optimizer);
      for (std::size_t i = 0; i < remembered.size(); ++i) try {
          if (options_.callbacks[i].set_state) options_.callbacks[i].set_state(remembered[i]);
        } catch (const Error&) {  // the first error is the one to tell
        }
      std::rethrow_exception(failure);
    }
  }

  void begin_callbacks(const Checkpoint* from) {
    for (const Callback& callback : options_.callbacks) {
      if (!callback.set_state) continue;
      nn::State known;
      if (from)
        if (const auto found = from->callbacks.find(callback.name); found != from->callbacks.end())
          known = found->second;
      try {
        callback.set_state(known);
      } catch (const ValueError& error) {
        throw ValueError(fmt::format("fit: callback \"{}\": {}", callback.name, error.what()));
      }
    }
    for (const Callback& callback : options_.callbacks) {
      ++begun_;
      if (callback.on_begin) callback.on_begin(state_);
    }
    for (const Callback& callback : options_.callbacks)
      if (callback.state) checked_state(callback);
  }

  void run_epoch() {
    const data::Batches batches = in_order();
    state_.epoch = epoch_ + 1;
    progress_.begin_epoch(epoch_ + 1, steps_, done_);
    while (done_ < steps_ && !state_.stop) {
      run_step(batches[done_]);
      if (interrupt_.requested() && done_ < steps_) stop_for_signal();
    }
    if (done_ < steps_) return;

    Figures figures = means_.figures();
    if (options_.validation)
      for (auto& [name, value] : evaluate(forward_, *options_.validation, {options_.loss, options_.metrics}))
        figures.emplace_back("val_" + name, value);
    progress_.end_epoch(figures);
    history_.epochs.push_back({epoch_ + 1, figures});
    ++epoch_;
    done_ = 0;
    means_ = Means(options_.metrics);
    epoch_random_ = random_.state();
    state_.figures = figures;
    call(&Callback::on_epoch);
    if (history_.epochs.size() != static_cast<std::size_t>(epoch_))
      throw ValueError(
          fmt::format("fit: a callback left {} epochs in the history after epoch {}; expected {}",
                      history_.epochs.size(), epoch_, epoch_));
    if (!options_.checkpoint.empty()) save(options_.checkpoint);
    if (interrupt_.requested() && epoch_ < options_.epochs) stop_for_signal();
  }

  // The order of the examples comes from the random state at the beginning of the epoch, which a resumed run
  // goes back to for a moment.
  data::Batches in_order() {
    const Generator::State now = random_.state();
    if (done_ > 0)
      random_.set_state(epoch_random_);
    else
      epoch_random_ = now;
    const data::Dataset ordered = options_.shuffle ? training_.shuffled(random_) : training_;
    if (done_ > 0) random_.set_state(now);
    return ordered.batches(options_.batch_size, {.drop_last = options_.drop_last});
  }

  void run_step(const data::Batch& batch) {
    Gradients gradients;
    {
      Tape tape;
      if (options_.check_finite) tape.check_finite(nn::names(model_));
      const Tensor predictions = forward_(batch.features);
      const nn::MeanLoss loss = checked_loss("fit", options_.loss, predictions, batch.targets);
      const double value = loss.item();
      if (!std::isfinite(value))
        throw ValueError(fmt::format(
            "fit: the loss is {} at step {} of epoch {}; a smaller learning rate or clipping may help; "
            ".check_finite finds where it begins",
            value, done_ + 1, epoch_ + 1));
      gradients = std::move(tape).gradient(loss);
      options_.optimizer.update(parameters_, gradients);
      means_.add(value, loss.weight, predictions, batch.targets);
    }
    state_.step = ++done_;
    ++state_.total_steps;
    state_.figures = means_.figures();
    progress_.step(done_, state_.figures);
    state_.gradients = &gradients;
    call(&Callback::on_step);
    state_.gradients = nullptr;
  }

  // In the middle of an epoch, or between two, where the checkpoint has been written.
  void stop_for_signal() {
    state_.stop = true;
    history_.stopped_by_signal = interrupt_.signal();
    const std::string where =
        done_ > 0 ? fmt::format("step {} of epoch {}", done_, epoch_ + 1) : fmt::format("epoch {}", epoch_);
    if (options_.checkpoint.empty()) {
      progress_.say(fmt::format("Stopped after {}.", where));
      return;
    }
    if (done_ > 0) save(options_.checkpoint);
    progress_.say(fmt::format("Stopped after {}; {} holds where training stands, to resume from.", where,
                              options_.checkpoint));
  }

  void save(const std::string& path) const {
    Checkpoint checkpoint;
    checkpoint.weights = nn::state(model_);
    checkpoint.optimizer = options_.optimizer.state();
    checkpoint.epoch = epoch_;
    checkpoint.step = done_;
    checkpoint.total_steps = state_.total_steps;
    checkpoint.batching = batching_;
    checkpoint.epoch_random = epoch_random_;
    checkpoint.random = random_.state();
    means_.save_to(checkpoint);
    checkpoint.history = history_;
    checkpoint.options = options_.program_options;
    for (const Callback& callback : options_.callbacks)
      if (callback.state) checkpoint.callbacks[callback.name] = checked_state(callback);
    write_checkpoint(path, checkpoint);
  }

  void call(std::function<void(Training&)> Callback::*function) {
    for (const Callback& callback : options_.callbacks)
      if (callback.*function) (callback.*function)(state_);
  }

  // All callbacks that began end, whatever failed before or fails here.
  void end(std::exception_ptr failure) {
    state_.gradients = nullptr;
    for (std::size_t i = 0; i < begun_; ++i) {
      state_.failed = failure != nullptr;
      try {
        if (options_.callbacks[i].on_end) options_.callbacks[i].on_end(state_);
      } catch (...) {
        if (!failure) failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
  }

  const nn::Fields& model_;
  const Forward& forward_;
  const data::Dataset& training_;
  FitOptions& options_;
  const std::vector<nn::NamedParameter> parameters_;
  const Batching batching_;
  const std::int64_t steps_;  // of an epoch
  Generator& random_ = default_generator();
  Generator::State epoch_random_ = random_.state();
  Means means_;
  History history_;
  std::int64_t epoch_ = 0, done_ = 0;  // epochs finished, and steps of the one after
  Progress progress_;
  const Interrupt interrupt_;
  Training state_;
  std::size_t begun_ = 0;  // callbacks
};

}  // namespace

Figures evaluate(const Forward& forward, const data::Dataset& data, const EvaluateOptions& options) {
  check_figures("evaluate", options.loss, options.metrics, false);
  if (data.size() == 0) throw ValueError("evaluate: the data hold no example; expected at least one");
  const PauseRecording pause;
  Means means(options.metrics);
  for (const auto& [inputs, targets] : data.batches(options.batch_size)) {
    const Tensor predictions = forward(inputs);
    const nn::MeanLoss loss = checked_loss("evaluate", options.loss, predictions, targets);
    means.add(loss.item(), loss.weight, predictions, targets);
  }
  return means.figures();
}

History fit(const nn::Fields& model, const Forward& forward, const data::Dataset& training,
            FitOptions options) {
  check_texts(model, options);
  check(options);
  return Run(model, forward, training, options)();
}

}  // namespace rill::train::detail
