#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "rill/tensor/tensor.h"

// Parts of a tensor, as views. Their gradients are written into their place of the whole's gradient, so that
// taking a tensor apart costs no padding.

namespace rill {

/// Elements start, start + step, ... before stop, as Python slices: negative places count from the end, and
/// what lies outside is cut off. Left out, start and stop are the two ends.
struct Range {
  std::optional<std::int64_t> start = {};
  std::optional<std::int64_t> stop = {};
  std::int64_t step = 1;
};

/// What is taken of one axis: all of it ({}), one element (3), which drops the axis, or a range ({1, 4}, {0,
/// 10, 2}, Range{.step = -1}).
class Part {
 public:
  Part() = default;
  template <std::integral T>
  Part(T index) : index_(static_cast<std::int64_t>(index)) {}  // NOLINT: a number is an index
  Part(const Range& range) : range_(range) {}                  // NOLINT: a range is a part
  Part(std::int64_t start, std::int64_t stop, std::int64_t step = 1) : range_{start, stop, step} {}
  const std::optional<std::int64_t>& index() const { return index_; }
  const Range& range() const { return range_; }

 private:
  std::optional<std::int64_t> index_;
  Range range_;
};

/// A range of one axis: slice(x, 1, {2, 5}), slice(x, 0, {.step = -1}). Throws ShapeError for an axis out of
/// range, ValueError for a step of 0.
Tensor slice(const Tensor& x, std::int64_t axis, const Range& range);
/// Parts of the leading axes, all of the others: slice(x, {{}, 3, {1, 4}}) is NumPy's x[:, 3, 1:4].
Tensor slice(const Tensor& x, std::initializer_list<Part> parts);
/// Element `index` of an axis, which the result lacks. Negative indices count from the end; throws ValueError
/// beyond.
Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index);
/// All elements of an axis, each without that axis. Of an x that is given away they can be written over, as
/// matmul_add does.
std::vector<Tensor> unbind(Tensor x, std::int64_t axis = 0);
/// An axis in that many equal parts, which of an x that is given away can be written over. Throws ShapeError
/// when its size is not a multiple.
std::vector<Tensor> split(Tensor x, std::int64_t parts, std::int64_t axis = -1);
/// An axis in parts of these sizes. Throws ShapeError unless they add up to its size.
std::vector<Tensor> split(const Tensor& x, std::initializer_list<std::int64_t> sizes, std::int64_t axis = -1);
std::vector<Tensor> split(const Tensor& x, const Dims& sizes, std::int64_t axis = -1);
/// An axis in Parts equal parts, as `auto [a, b] = split<2>(x)`.
template <std::size_t Parts>
std::array<Tensor, Parts> split(Tensor x, std::int64_t axis = -1) {
  auto list = split(std::move(x), static_cast<std::int64_t>(Parts), axis);
  std::array<Tensor, Parts> parts;
  std::move(list.begin(), list.end(), parts.begin());
  return parts;
}

/// Zeros of `shape` with x at places start, start + step, ... of an axis: the adjoint of slice.
Tensor unslice(const Tensor& x, const Shape& shape, std::int64_t axis, std::int64_t start,
               std::int64_t step = 1);
/// `value` added before and after each axis: one {before, after} an axis. Throws ShapeError for another
/// number of them, ValueError for negative widths.
Tensor pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths,
           double value = 0);

}  // namespace rill
