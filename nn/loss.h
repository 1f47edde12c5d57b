#pragma once

#include <optional>

#include "rill/tensor/tensor.h"

// Losses: functions of predictions and targets, whose result is the mean over examples, a scalar. They are
// objects that are called, so that one can be given where a function is wanted: `.loss = nn::cross_entropy`.

namespace rill::nn {

struct CrossEntropyOptions {
  double label_smoothing = 0;  ///< share of the target that all classes have equal parts of, in [0, 1)
  std::optional<std::int64_t> ignored_index = {};  ///< targets of this value do not count
  Tensor class_weights = {};  ///< [classes]; the mean is weighted by the targets' classes
};

/// Cross-entropy from logits [..., classes] and labels int64 [...], stable for logits of any size. With
/// weights w, sum_i w_{y_i} l_i / sum_i w_{y_i}, as in PyTorch. Throws ShapeError; DTypeError; ValueError for
/// a label out of range (naming it and its place), and when no label counts.
struct CrossEntropy {
  Tensor operator()(const Tensor& logits, const Tensor& labels) const { return (*this)(logits, labels, {}); }
  Tensor operator()(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options) const;
};
inline constexpr CrossEntropy cross_entropy;

/// The same from probabilities, as the output of a softmax: Keras's sparse categorical cross-entropy, which
/// keeps them in [1e-7, 1 - 1e-7]. Prefer logits.
struct CrossEntropyFromProbabilities {
  Tensor operator()(const Tensor& probabilities, const Tensor& labels) const;
};
inline constexpr CrossEntropyFromProbabilities cross_entropy_from_probabilities;

// These take predictions and targets of one shape, and throw ShapeError for different ones.

/// The mean of (p - t)^2.
struct MeanSquaredError {
  Tensor operator()(const Tensor& predictions, const Tensor& targets) const;
};
inline constexpr MeanSquaredError mse;

/// The mean of |p - t|.
struct MeanAbsoluteError {
  Tensor operator()(const Tensor& predictions, const Tensor& targets) const;
};
inline constexpr MeanAbsoluteError mae;

/// The mean of (p - t)^2 / 2 within delta, delta (|p - t| - delta / 2) beyond (Huber 1964). Throws ValueError
/// unless delta > 0.
struct Huber {
  double delta = 1;
  Tensor operator()(const Tensor& predictions, const Tensor& targets) const;
};
inline constexpr Huber huber;

/// Binary cross-entropy from logits, with targets in [0, 1]: the mean of max(x, 0) - x t + log(1 +
/// exp(-|x|)).
struct BinaryCrossEntropy {
  Tensor operator()(const Tensor& logits, const Tensor& targets) const;
};
inline constexpr BinaryCrossEntropy binary_cross_entropy;

}  // namespace rill::nn
