#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "rill/tensor/random.h"
#include "rill/tensor/tensor.h"

namespace rill::data {

/// Some samples of a dataset, one to a row.
struct Batch {
  Tensor features;  ///< [batch, ...]
  Tensor targets;   ///< [batch, ...]
};

struct BatchOptions {
  bool drop_last = false;  ///< whether to leave out a last batch that is smaller than the others
};

class Batches;

namespace detail {
class Column;
}

/// Pairs of features and targets. A handle: copies, shuffled orders and selections share the samples, which
/// never change.
class Dataset {
 public:
  /// Samples along the first axis of both, of any dtype. Throws ShapeError when one has no axes or the first
  /// sizes differ, ValueError when one holds no value.
  Dataset(const Tensor& features, const Tensor& targets);
  /// Keeps one byte an element and converts a batch at a time: features to float32 from 0 to 1 (byte / 255),
  /// labels to int64. `sample` is the shape of one sample, `label` that of its labels: {} for one label.
  /// Throws ShapeError when the bytes are not as many samples as labels.
  static Dataset from_bytes(std::vector<std::uint8_t> features, const Shape& sample,
                            std::vector<std::uint8_t> labels, const Shape& label = {});

  std::int64_t size() const { return count_; }
  /// The shape of one sample's features, and of its targets.
  Shape feature_shape() const;
  Shape target_shape() const;
  /// The memory that the samples take, which every dataset made from this one shares.
  std::int64_t bytes() const;

  /// The same samples in a random order.
  Dataset shuffled(Generator& generator = default_generator()) const;
  /// The first `n` samples, or all of them where there are fewer. Throws ValueError for a negative n.
  Dataset take(std::int64_t n) const;
  /// All but the first `n` samples. Throws ValueError for a negative n.
  Dataset skip(std::int64_t n) const;

  /// The same samples with features of another shape: element i of a sample is element order[i] of it as it
  /// was, both in row-major order. A batch is rearranged when it is read. Throws ShapeError unless the order
  /// is as long as the shape needs; ValueError for an element that a sample does not have.
  Dataset rearranged(const Shape& shape, std::vector<std::int64_t> order) const;

  /// Sample i as a batch of one. Throws ValueError when there is no such sample.
  Batch operator[](std::int64_t i) const;
  /// Samples first to last - 1. Throws ValueError unless 0 <= first <= last <= size().
  Batch rows(std::int64_t first, std::int64_t last) const;
  /// Batches of `size` samples, to loop over: `for (const auto& [images, labels] :
  /// training.shuffled().batches(32))`. Throws ValueError for a size below 1.
  Batches batches(std::int64_t size, BatchOptions options = {}) const;

 private:
  Dataset(std::shared_ptr<const detail::Column> features, std::shared_ptr<const detail::Column> targets);

  std::shared_ptr<const detail::Column> features_;
  std::shared_ptr<const detail::Column> targets_;
  std::shared_ptr<const std::vector<std::int64_t>> order_;  // null: as the samples stand
  std::int64_t first_ = 0;
  std::int64_t count_ = 0;
};

/// The batches of a dataset. A batch is converted when it is reached, so only one need be in memory.
class Batches {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Batch;

    Iterator() = default;
    Iterator(const Batches* batches, std::int64_t i) : batches_(batches), i_(i) {}
    Batch operator*() const { return (*batches_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    Iterator operator++(int) { return {batches_, i_++}; }
    bool operator==(const Iterator&) const = default;

   private:
    const Batches* batches_ = nullptr;
    std::int64_t i_ = 0;
  };

  /// How many batches there are.
  std::int64_t size() const;
  /// How many samples the batches hold together: fewer than the dataset where the last batch is dropped.
  std::int64_t samples() const;
  /// Batch i. Throws ValueError when there is no such batch.
  Batch operator[](std::int64_t i) const;
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  friend class Dataset;
  Batches(const Dataset& dataset, std::int64_t batch_size, BatchOptions options)
      : dataset_(dataset), batch_size_(batch_size), options_(options) {}

  Dataset dataset_;
  std::int64_t batch_size_;
  BatchOptions options_;
};

}  // namespace rill::data
