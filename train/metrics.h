#pragma once

#include <functional>
#include <string>

#include "rill/tensor/tensor.h"

namespace rill::train {

/// A figure that is the mean over examples of something computed from predictions and targets.
struct Metric {
  std::string name;  ///< UTF-8; not "epoch" or "loss"
  /// The sum over the examples of a batch.
  std::function<double(const Tensor& predictions, const Tensor& targets)> total;
};

/// The share of examples whose largest prediction is that of the label. predictions [batch, classes] (logits
/// or probabilities; one that is not a number is never the largest), labels int64 [batch].
extern const Metric accuracy;

/// The share of examples whose label is among the k largest predictions: "top_k_accuracy". Throws ValueError
/// for k below 1.
Metric top_k_accuracy(std::int64_t k);

/// How often each class was taken for each: int64 [classes, classes], rows by label, columns by prediction.
/// predictions [n, classes], labels int64 [n]. Throws ShapeError, and ValueError for a label out of range.
Tensor confusion_matrix(const Tensor& predictions, const Tensor& labels);

}  // namespace rill::train
