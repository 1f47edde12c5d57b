#include "rill/train/metrics.h"

#include <cmath>

#include "fmt/format.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/reduce.h"

namespace rill::train {
namespace {

std::vector<std::int64_t> checked_labels(const Tensor& predictions, const Tensor& labels, const char* where) {
  if (!predictions.defined() || !labels.defined())
    throw ValueError(fmt::format("{}: a tensor without a value; expected predictions and labels", where));
  if (predictions.rank() != 2 || labels.rank() != 1 || labels.size(0) != predictions.size(0))
    throw ShapeError(fmt::format("{}: predictions {} and labels {}: expected [n, classes] and [n]", where,
                                 to_string(predictions.shape()), to_string(labels.shape())));
  if (labels.dtype() != DType::int64)
    throw DTypeError(fmt::format("{}: labels have dtype {}, expected int64", where, name(labels.dtype())));
  auto values = labels.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < 0 || values[i] >= predictions.size(1))
      throw ValueError(fmt::format("{}: label {} at place {} is out of range for {} classes", where,
                                   values[i], i, predictions.size(1)));
  return values;
}

double count_top(const Tensor& predictions, const Tensor& labels, std::int64_t k, const char* where) {
  const auto label = checked_labels(predictions, labels, where);
  const auto values = predictions.to_vector<double>();
  const auto classes = static_cast<std::size_t>(predictions.size(1));
  double hits = 0;
  for (std::size_t i = 0; i < label.size(); ++i) {
    const double* row = values.data() + i * classes;
    const auto own = static_cast<std::size_t>(label[i]);
    std::int64_t before = 0;  // classes that come before the label, the first of equals being first
    for (std::size_t j = 0; j < classes; ++j) before += row[j] > row[own] || (row[j] == row[own] && j < own);
    hits += before < k && !std::isnan(row[own]);
  }
  return hits;
}

}  // namespace

const Metric accuracy{"accuracy", [](const Tensor& predictions, const Tensor& labels) {
                        return count_top(predictions, labels, 1, "accuracy");
                      }};

Metric top_k_accuracy(std::int64_t k) {
  if (k < 1) throw ValueError(fmt::format("top_k_accuracy: k is {}; expected at least 1", k));
  return {fmt::format("top_{}_accuracy", k), [k](const Tensor& predictions, const Tensor& labels) {
            return count_top(predictions, labels, k, "top_k_accuracy");
          }};
}

Tensor confusion_matrix(const Tensor& predictions, const Tensor& labels) {
  const auto label = checked_labels(predictions, labels, "confusion_matrix");
  const auto taken_for = kernels::argmax(predictions, 1, false).to_vector<std::int64_t>();
  const std::int64_t classes = predictions.size(1);
  Tensor matrix = zeros({classes, classes}, DType::int64);
  auto cells = rill::detail::TensorAccess::fill<std::int64_t>(matrix);
  for (std::size_t i = 0; i < label.size(); ++i)
    ++cells[static_cast<std::size_t>(label[i] * classes + taken_for[i])];
  return matrix;
}

}  // namespace rill::train
