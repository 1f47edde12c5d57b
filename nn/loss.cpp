#include "rill/nn/loss.h"

#include <cmath>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::nn {
namespace {

void check_labels(const Tensor& scores, const Tensor& labels, const char* loss) {
  rill::detail::require_values(loss, scores, labels);
  if (labels.dtype() != DType::int64)
    throw DTypeError(fmt::format("{}: labels have dtype {}; expected int64", loss, name(labels.dtype())));
  Shape expected = scores.shape();
  if (!expected.empty()) expected.erase(expected.size() - 1);
  if (scores.rank() == 0 || !(labels.shape() == expected))
    throw ShapeError(fmt::format("{}: scores {} and labels {}; expected [..., classes] and [...]", loss,
                                 to_string(scores.shape()), to_string(labels.shape())));
}

void check_range(const Tensor& labels, std::int64_t classes, const std::optional<std::int64_t>& ignored,
                 const char* loss) {
  const auto values = labels.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if ((values[i] < 0 || values[i] >= classes) && values[i] != ignored)
      throw ValueError(fmt::format("{}: label {} at place {} is out of range for {} classes", loss, values[i],
                                   i, classes));
}

void check_same_shape(const Tensor& predictions, const Tensor& targets, const char* loss) {
  rill::detail::require_values(loss, predictions, targets);
  if (!(predictions.shape() == targets.shape()))
    throw ShapeError(fmt::format("{}: predictions {} and targets {} differ in shape", loss,
                                 to_string(predictions.shape()), to_string(targets.shape())));
}

void check_weights(const Tensor& weights, std::int64_t classes, const char* loss) {
  if (!(weights.shape() == Shape{classes}))
    throw ShapeError(
        fmt::format("{}: class weights {}; expected [{}]", loss, to_string(weights.shape()), classes));
  for (const double weight : weights.to_vector<double>())
    if (!(std::isfinite(weight) && weight >= 0))
      throw ValueError(
          fmt::format("{}: a class weight of {}; expected finite numbers of at least 0", loss, weight));
}

MeanLoss mean_of(const Tensor& losses) {
  const auto weight = static_cast<double>(losses.count());
  return {weight == 0 ? sum(losses) : mean(losses), weight};
}

/// a * share, and 0 where the share is 0 and a is infinite.
Tensor part_of(const Tensor& a, const Tensor& share) {
  const Tensor enters = isfinite(a) + not_equal(share, 0);
  return where(enters, a, 0) * share;
}

}  // namespace

MeanLoss CrossEntropy::operator()(const Tensor& logits, const Tensor& labels,
                                  const CrossEntropyOptions& options) const {
  constexpr const char* loss = "cross_entropy";
  check_labels(logits, labels, loss);
  const std::int64_t classes = logits.size(-1);
  check_range(labels, classes, options.ignored_index, loss);
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1))
    throw ValueError(
        fmt::format("{}: a label smoothing of {}; expected one in [0, 1)", loss, options.label_smoothing));
  const Tensor weights = options.class_weights;
  if (weights.defined()) check_weights(weights, classes, loss);

  // The share of each class in the target of each example, with the example's weight; it depends on nothing
  // that is learnt.
  Tensor target, rows;
  double weight = 0;
  {
    const PauseRecording pause;
    const Tensor counts =
        options.ignored_index ? not_equal(labels, *options.ignored_index) : ones_like(labels);
    target = one_hot(labels * counts, classes, logits.dtype()) * unsqueeze(cast(counts, logits.dtype()), -1);
    const Tensor hard = weights.defined() ? target * weights : target;
    weight = sum(hard).item();
    target = hard * (1 - options.label_smoothing);
    if (options.label_smoothing > 0) {
      const Tensor even = weights.defined() ? weights : ones({classes}, logits.dtype());
      target = target + unsqueeze(cast(counts, logits.dtype()), -1) * even *
                            (options.label_smoothing / static_cast<double>(classes));
    }
    if (weight == 0) target = zeros_like(target);
    if (options.ignored_index || weights.defined()) rows = sum(target, -1, {.keepdims = true});
  }
  // An example that does not count may hold anything, and a class that is not chosen may be infinite.
  const Tensor scores = log_softmax(rows.defined() ? where(rows, logits, 0) : logits, -1);
  const Tensor total = neg(sum(where(target, scores, 0) * target));
  return {total / (weight == 0 ? 1 : weight), weight};
}

MeanLoss CrossEntropyFromProbabilities::operator()(const Tensor& probabilities, const Tensor& labels) const {
  constexpr const char* loss = "cross_entropy_from_probabilities";
  check_labels(probabilities, labels, loss);
  check_range(labels, probabilities.size(-1), std::nullopt, loss);
  const Tensor own = gather(probabilities, -1, unsqueeze(labels, -1));
  return mean_of(neg(log(clamp(own, 1e-7, 1 - 1e-7))));
}

MeanLoss MeanSquaredError::operator()(const Tensor& predictions, const Tensor& targets) const {
  check_same_shape(predictions, targets, "mse");
  return mean_of(square(predictions - targets));
}

MeanLoss MeanAbsoluteError::operator()(const Tensor& predictions, const Tensor& targets) const {
  check_same_shape(predictions, targets, "mae");
  return mean_of(abs(predictions - targets));
}

MeanLoss Huber::operator()(const Tensor& predictions, const Tensor& targets) const {
  if (!(delta > 0)) throw ValueError(fmt::format("huber: delta is {}; expected more than 0", delta));
  check_same_shape(predictions, targets, "huber");
  const Tensor distance = predictions - targets;
  const Tensor near = clamp(distance, -delta, delta);
  return mean_of(near * (distance - 0.5 * near));
}

MeanLoss BinaryCrossEntropy::operator()(const Tensor& logits, const Tensor& targets) const {
  check_same_shape(logits, targets, "binary_cross_entropy");
  return mean_of(part_of(softplus(-logits), targets) + part_of(softplus(logits), 1 - targets));
}

}  // namespace rill::nn
