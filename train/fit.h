#pragma once

#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rill/data/dataset.h"
#include "rill/nn/fields.h"
#include "rill/optim/optimizer.h"
#include "rill/train/history.h"
#include "rill/train/metrics.h"

namespace rill::train {

/// (predictions, targets) -> a value of one element.
using Loss = std::function<Tensor(const Tensor& predictions, const Tensor& targets)>;

/// What a callback sees of training, and may change.
struct Training {
  nn::Fields model;
  optim::Optimizer& optimizer;
  History& history;        ///< with the epoch that has just ended
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t step = 0;   ///< of the epoch, from 1
  std::vector<std::pair<std::string, double>>
      figures;                           ///< means over the epoch so far: "loss", then the metrics
  const Gradients* gradients = nullptr;  ///< of the step that has just ended; null but in on_step
  bool stop = false;                     ///< set it to end training after this step or epoch
  std::function<void(const std::string& path)> save;  ///< writes a checkpoint
  std::function<void(const std::string& text)> say;   ///< prints a line
};

/// Functions that are called during training; those left empty are not.
struct Callback {
  std::function<void(Training&)> on_begin = {};
  std::function<void(Training&)> on_step = {};
  std::function<void(Training&)> on_epoch = {};
  std::function<void(Training&)> on_end = {};
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

/// The means over the examples of a dataset: "loss", then the metrics.
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
/// any. Shows progress as Keras does. Ctrl-C finishes the step, writes the checkpoint if one is asked for,
/// and says how to go on; `fit` then returns what there is. Throws ValueError for options that make no sense,
/// for a loss that is not finite (naming epoch and step), and what the model, the loss and the checkpoint
/// throw.
template <nn::Module M>
History fit(M& model, const data::Dataset& training, FitOptions options) {
  return detail::fit(
      model.fields(), [&](const Tensor& x) { return model(x); }, training, std::move(options));
}

/// The mean loss and metrics of a model over a dataset. Nothing is recorded, so dropout does nothing.
template <nn::Module M>
std::vector<std::pair<std::string, double>> evaluate(const M& model, const data::Dataset& data,
                                                     const EvaluateOptions& options) {
  return detail::evaluate([&](const Tensor& x) { return model(x); }, data, options);
}

}  // namespace rill::train
