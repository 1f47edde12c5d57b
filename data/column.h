#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::data::detail {

/// One side of a dataset: rows in whatever form they are kept, read as tensors. Never changed once made.
class Column {
 public:
  virtual ~Column() = default;
  virtual std::int64_t size() const = 0;
  /// The shape of a row.
  virtual Shape row() const = 0;
  virtual std::int64_t bytes() const = 0;
  /// [number of rows, ...row]. The rows must be there.
  virtual Tensor gather(std::span<const std::int64_t> rows) const = 0;
};

/// Bytes read as float32 from 0 to 1. There must be a whole number of rows.
std::shared_ptr<const Column> pixel_column(std::vector<std::uint8_t> bytes, const Shape& row);
/// Bytes read as int64. There must be a whole number of rows.
std::shared_ptr<const Column> label_column(std::vector<std::uint8_t> bytes, const Shape& row);
/// The rows of a tensor of at least one axis.
std::shared_ptr<const Column> tensor_column(const Tensor& values);
/// The rows of another column, element i of each being element order[i] of it. The order must fit both
/// shapes.
std::shared_ptr<const Column> rearranged_column(std::shared_ptr<const Column> base, const Shape& row,
                                                std::vector<std::int64_t> order);

}  // namespace rill::data::detail
