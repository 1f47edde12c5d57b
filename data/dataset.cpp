#include "rill/data/dataset.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "fmt/format.h"
#include "rill/data/column.h"
#include "rill/tensor/error.h"

namespace rill::data {
namespace {

const Tensor& checked(const Tensor& values, const char* what) {
  if (!values.defined()) throw ValueError(fmt::format("Dataset: the {} hold no value", what));
  if (values.rank() == 0)
    throw ShapeError(fmt::format("Dataset: the {} are a scalar; their first axis counts samples", what));
  return values;
}

}  // namespace

Dataset::Dataset(std::shared_ptr<const detail::Column> features,
                 std::shared_ptr<const detail::Column> targets)
    : features_(std::move(features)), targets_(std::move(targets)), count_(features_->size()) {}

Dataset::Dataset(const Tensor& features, const Tensor& targets)
    : Dataset(detail::tensor_column(checked(features, "features")),
              detail::tensor_column(checked(targets, "targets"))) {
  if (features.size(0) != targets.size(0))
    throw ShapeError(fmt::format("Dataset: features {} and targets {}: {} samples and {} differ",
                                 to_string(features.shape()), to_string(targets.shape()), features.size(0),
                                 targets.size(0)));
}

Dataset Dataset::from_bytes(std::vector<std::uint8_t> features, const Shape& sample,
                            std::vector<std::uint8_t> labels, const Shape& label) {
  const auto width = static_cast<std::size_t>(rill::count(sample));
  const auto label_width = static_cast<std::size_t>(rill::count(label));
  if (label_width == 0 || labels.size() % label_width != 0)
    throw ShapeError(
        fmt::format("Dataset: {} labels are not of shape {} each", labels.size(), to_string(label)));
  const std::size_t samples = labels.size() / label_width;
  if (width == 0 || features.size() % width != 0 || features.size() / width != samples)
    throw ShapeError(fmt::format("Dataset: {} bytes are not {} samples of shape {}", features.size(), samples,
                                 to_string(sample)));
  return {detail::pixel_column(std::move(features), sample), detail::label_column(std::move(labels), label)};
}

Shape Dataset::feature_shape() const { return features_->row(); }
Shape Dataset::target_shape() const { return targets_->row(); }
std::int64_t Dataset::bytes() const { return features_->bytes() + targets_->bytes(); }

Dataset Dataset::shuffled(Generator& generator) const {
  auto order = generator.permutation(count_).to_vector<std::int64_t>();
  for (std::int64_t& row : order)
    row = order_ ? (*order_)[static_cast<std::size_t>(first_ + row)] : first_ + row;
  Dataset result = *this;
  result.order_ = std::make_shared<const std::vector<std::int64_t>>(std::move(order));
  result.first_ = 0;
  return result;
}

Dataset Dataset::take(std::int64_t n) const {
  if (n < 0) throw ValueError(fmt::format("Dataset.take: {} samples; the number must not be negative", n));
  Dataset result = *this;
  result.count_ = std::min(n, count_);
  return result;
}

Dataset Dataset::skip(std::int64_t n) const {
  if (n < 0) throw ValueError(fmt::format("Dataset.skip: {} samples; the number must not be negative", n));
  Dataset result = *this;
  result.first_ += std::min(n, count_);
  result.count_ -= std::min(n, count_);
  return result;
}

Dataset Dataset::rearranged(const Shape& shape, std::vector<std::int64_t> order) const {
  if (static_cast<std::int64_t>(order.size()) != rill::count(shape))
    throw ShapeError(fmt::format("Dataset.rearranged: an order of {} elements for a sample of shape {}",
                                 order.size(), to_string(shape)));
  const std::int64_t elements = rill::count(feature_shape());
  for (const std::int64_t element : order)
    if (element < 0 || element >= elements)
      throw ValueError(fmt::format("Dataset.rearranged: no element {} in a sample of shape {}", element,
                                   to_string(feature_shape())));
  Dataset result = *this;
  result.features_ = detail::rearranged_column(features_, shape, std::move(order));
  return result;
}

Batch Dataset::operator[](std::int64_t i) const {
  if (i < 0 || i >= count_) throw ValueError(fmt::format("Dataset: no sample {} among {}", i, count_));
  return rows(i, i + 1);
}

Batch Dataset::rows(std::int64_t first, std::int64_t last) const {
  if (first < 0 || first > last || last > count_)
    throw ValueError(
        fmt::format("Dataset.rows: {} to {} is not a range within {} samples", first, last, count_));
  std::vector<std::int64_t> natural;
  if (!order_) {
    natural.resize(static_cast<std::size_t>(last - first));
    std::iota(natural.begin(), natural.end(), first_ + first);
  }
  const auto rows = order_ ? std::span(*order_).subspan(static_cast<std::size_t>(first_ + first),
                                                        static_cast<std::size_t>(last - first))
                           : std::span<const std::int64_t>(natural);
  return {features_->gather(rows), targets_->gather(rows)};
}

Batches Dataset::batches(std::int64_t size, BatchOptions options) const {
  if (size < 1)
    throw ValueError(fmt::format("Dataset.batches: a batch of {} samples; at least 1 is needed", size));
  return {*this, size, options};
}

std::int64_t Batches::size() const {
  const std::int64_t whole = dataset_.size() / batch_size_;
  return whole + (!options_.drop_last && dataset_.size() % batch_size_ != 0);
}

std::int64_t Batches::samples() const { return std::min(dataset_.size(), size() * batch_size_); }

Batch Batches::operator[](std::int64_t i) const {
  if (i < 0 || i >= size()) throw ValueError(fmt::format("Batches: no batch {} among {}", i, size()));
  return dataset_.rows(i * batch_size_, std::min(dataset_.size(), (i + 1) * batch_size_));
}

}  // namespace rill::data
