#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/data/dataset.h"
#include "rill/nn/fields.h"
#include "rill/nn/loss.h"
#include "rill/nn/state.h"
#include "rill/optim/optimizer.h"
#include "rill/train/history.h"
#include "rill/train/metrics.h"

namespace rill::train {

/// (predictions, targets) -> a loss of one element. Made from anything that is called so and returns an
/// nn::MeanLoss, as the losses of nn/ and lambdas around them do, or a Tensor:
///
///   [weights](const Tensor& p, const Tensor& t) { return nn::cross_entropy(p, t, {.class_weights =
///   weights}); }
///
/// A mean over several batches counts each by its MeanLoss::weight, so it is the loss of the whole, however
/// that is cut. A Tensor does not say over what it is the mean; it counts by the examples of its batch. So
/// does what a lambda makes a Tensor of (`-> Tensor`, or `cross_entropy(p, t) + penalty`).
class Loss {
 public:
  Loss() = default;
  Loss(std::nullptr_t) {}  // NOLINT: no loss
  template <class F>
  requires(!std::same_as<F, Loss> && std::is_invocable_r_v<Tensor, F&, const Tensor&, const Tensor&>)
      Loss(F function) {  // NOLINT: a function is a loss
    using Result = std::remove_cvref_t<std::invoke_result_t<F&, const Tensor&, const Tensor&>>;
    if constexpr (std::derived_from<Result, nn::MeanLoss>)
      call_ = std::move(function);
    else if (std::function<Tensor(const Tensor&, const Tensor&)> plain = std::move(function))
      call_ = [plain = std::move(plain)](const Tensor& predictions, const Tensor& targets) {
        return nn::MeanLoss{plain(predictions, targets), static_cast<double>(targets.size(0))};
      };
  }

  explicit operator bool() const { return static_cast<bool>(call_); }
  /// targets [batch, ...].
  nn::MeanLoss operator()(const Tensor& predictions, const Tensor& targets) const {
    return call_(predictions, targets);
  }

 private:
  std::function<nn::MeanLoss(const Tensor& predictions, const Tensor& targets)> call_;
};

/// What a callback sees of training, and may change.
struct Training {
  nn::Fields model;
  optim::Optimizer& optimizer;
  History& history;              ///< with the epoch that has just ended
  std::int64_t epoch = 0;        ///< from 1; in on_begin how many an earlier run finished
  std::int64_t step = 0;         ///< of the epoch, from 1; in on_begin how many an earlier run did
  std::int64_t total_steps = 0;  ///< done since training began, in earlier runs too
  std::vector<std::pair<std::string, double>> figures =
      {};                                ///< means over the epoch so far: "loss", then the metrics
  const Gradients* gradients = nullptr;  ///< of the step that has just ended; null but in on_step
  bool stop = false;                     ///< set it to end training after this step or epoch
  bool failed = false;                   ///< whether an exception ends training
  std::function<void(const std::string& path)> save;  ///< writes a checkpoint
  std::function<void(const std::string& text)> say;   ///< prints a line
};

/// Functions that are called during training; those left empty are not. One that began ends, even if training
/// or another callback throws. A callback, and all copies of it, serves one run at a time.
struct Callback {
  std::function<void(Training&)> on_begin = {};
  std::function<void(Training&)> on_step = {};
  std::function<void(Training&)> on_epoch = {};
  std::function<void(Training&)> on_end = {};

  /// What it remembers is kept in checkpoints under this name. One that has `state` has all three.
  std::string name = {};
  /// What it remembers: tensors by name, such as the scalar full({}, best, DType::float64).
  std::function<nn::State()> state = {};
  /// Called before on_begin in every run: with what `state` gave when the checkpoint that is resumed from was
  /// written, or with nothing where there is none, which makes it forget what it saw in another run. on_begin
  /// may then find in Training::history what is missing. Throws ValueError for a state that is not its own.
  std::function<void(const nn::State&)> set_state = {};
};

struct FitOptions {
  Loss loss;
  optim::Optimizer optimizer;
  std::vector<Metric> metrics = {};
  std::int64_t epochs = 1;
  std::int64_t batch_size = 32;
  bool drop_last = false;     ///< leave out a last batch that is not full
  bool check_finite = false;  ///< look for the first value that is not finite, as Tape::check_finite; slow
  bool shuffle = true;        ///< by default_generator(), anew each epoch
  std::optional<data::Dataset> validation = {};
  std::vector<Callback> callbacks = {};
  std::string checkpoint = {};  ///< a file to write after every epoch, and when interrupted
  std::string resume = {};      ///< a checkpoint to go on from, to the last bit as if never stopped
  std::map<std::string, std::string> program_options = {};  ///< kept in the checkpoint
  std::FILE* progress = stdout;                             ///< null for silence
};

struct EvaluateOptions {
  Loss loss;
  std::vector<Metric> metrics = {};
  std::int64_t batch_size = 128;
};

namespace detail {
using Forward = std::function<Tensor(const Tensor&)>;
History fit(const nn::Fields& model, const Forward& forward, const data::Dataset& training,
            FitOptions options);
std::vector<std::pair<std::string, double>> evaluate(const Forward& forward, const data::Dataset& data,
                                                     const EvaluateOptions& options);
}  // namespace detail

/// Trains a model: for each epoch the batches of `training` in random order, then the validation data, if
/// any. Shows progress as Keras does. Ctrl-C (SIGINT), SIGTERM or SIGHUP finishes the step, writes the
/// checkpoint if one is asked for, and says so; `fit` then returns what there is, with
/// History::stopped_by_signal.
///
/// The figures of an epoch are means over its examples; the loss is one over what counts in it (see Loss),
/// NaN where nothing does. A batch in which nothing counts adds nothing.
///
/// Throws ValueError, before anything has changed, for options that make no sense, data that make no batch,
/// figures or callbacks of one name, and a checkpoint that this run cannot go on from: other weights, metrics
/// or optimiser, more epochs than asked for, or an epoch that was stopped in the middle and is now cut into
/// other batches. Throws FileError before the first step where the checkpoint cannot be written. Throws
/// ValueError for a loss that is not finite (naming epoch and step), ShapeError for one of several elements,
/// and what the model, the loss, callbacks and the checkpoint throw.
template <nn::Module M>
History fit(M& model, const data::Dataset& training, FitOptions options) {
  return detail::fit(
      model.fields(), [&](const Tensor& x) { return model(x); }, training, std::move(options));
}

/// The mean loss and metrics of a model over a dataset: "loss", then the metrics, as `fit` counts them.
/// Nothing is recorded, so dropout does nothing. Throws ValueError for a dataset without examples.
template <nn::Module M>
std::vector<std::pair<std::string, double>> evaluate(const M& model, const data::Dataset& data,
                                                     const EvaluateOptions& options) {
  return detail::evaluate([&](const Tensor& x) { return model(x); }, data, options);
}

}  // namespace rill::train
