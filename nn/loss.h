#pragma once

#include <optional>

#include "rill/tensor/tensor.h"

// Losses: functions of predictions and targets, whose result is the mean over what counts, a scalar. They are
// objects that are called, so that one can be given where a function is wanted: `.loss = nn::cross_entropy`.
// What does not count, such as an ignored label or a class that is not chosen, enters neither the value nor a
// gradient, even where it is infinite.

namespace rill::nn {

/// A loss, which is a Tensor, and over how much it is the mean. So the mean over several batches is
/// sum_b weight_b mean_b / sum_b weight_b, whatever the batches. Over nothing value, weight and gradients are
/// 0. A weight is not negative. A loss to which something is assigned keeps its weight.
struct MeanLoss : Tensor {
  double weight = 0;  ///< the number of elements that count, or the sum of their weights

  using Tensor::operator=;
};

struct CrossEntropyOptions {
  double label_smoothing = 0;  ///< share of the target that all classes have equal parts of, in [0, 1)
  std::optional<std::int64_t> ignored_index = {};  ///< targets of this value do not count
  Tensor class_weights = {};  ///< [classes], at least 0; the mean is weighted by the targets' classes
};

/// Cross-entropy from logits [..., classes] and labels int64 [...], stable for logits of any size. With
/// weights w, sum_i w_{y_i} l_i / sum_i w_{y_i}, as in PyTorch. A logit of -infinity is a class that cannot
/// be: it enters nothing, unless it is the label or, with smoothing, its weight is not 0, which makes the
/// loss infinite. Throws ShapeError; DTypeError; ValueError for a label out of range (naming it and its
/// place) and for weights that are not finite and at least 0.
struct CrossEntropy {
  MeanLoss operator()(const Tensor& logits, const Tensor& labels) const {
    return (*this)(logits, labels, {});
  }
  MeanLoss operator()(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options) const;
};
inline constexpr CrossEntropy cross_entropy;

/// The same from probabilities, as the output of a softmax: Keras's sparse categorical cross-entropy, which
/// keeps them in [1e-7, 1 - 1e-7]. Prefer logits.
struct CrossEntropyFromProbabilities {
  MeanLoss operator()(const Tensor& probabilities, const Tensor& labels) const;
};
inline constexpr CrossEntropyFromProbabilities cross_entropy_from_probabilities;

// These take predictions and targets of one shape, and throw ShapeError for different ones.

/// The mean of (p - t)^2.
struct MeanSquaredError {
  MeanLoss operator()(const Tensor& predictions, const Tensor& targets) const;
};
inline constexpr MeanSquaredError mse;

/// The mean of |p - t|.
struct MeanAbsoluteError {
  MeanLoss operator()(const Tensor& predictions, const Tensor& targets) const;
};
inline constexpr MeanAbsoluteError mae;

/// The mean of (p - t)^2 / 2 within delta, delta (|p - t| - delta / 2) beyond (Huber 1964). Throws ValueError
/// unless delta > 0.
struct Huber {
  double delta = 1;
  MeanLoss operator()(const Tensor& predictions, const Tensor& targets) const;
};
inline constexpr Huber huber;

/// Binary cross-entropy from logits, with targets in [0, 1]: the mean of t log(1 + exp(-x)) + (1 - t) log(1 +
/// exp(x)), exact however sure the prediction is.
struct BinaryCrossEntropy {
  MeanLoss operator()(const Tensor& logits, const Tensor& targets) const;
};
inline constexpr BinaryCrossEntropy binary_cross_entropy;

}  // namespace rill::nn
