#pragma once

#include <initializer_list>

#include "rill/tensor/tensor.h"

namespace rill {

/// The axes that an operation works on: none at all stands for all of them. Negative axes count from the end.
/// A type of its own, so that a shape is never taken for a list of axes:
///
///   sum(x)    sum(x, -1)    sum(x, {0, 1})    sum(x, {0, 1}, {.keepdims = true})    sum(x, {}, {.keepdims =
///   true})
class Axes {
 public:
  Axes() = default;
  Axes(std::int64_t axis) : list_{axis} {}  // NOLINT: one axis is a list of axes
  Axes(std::initializer_list<std::int64_t> axes) : list_(axes) {}
  explicit Axes(const Dims& axes) : list_(axes) {}
  const Dims& list() const { return list_; }

 private:
  Dims list_;
};

struct ReduceOptions {
  bool keepdims =
      false;  ///< leave a size of 1 in place of each reduced axis, so that the result broadcasts to x
};

// All throw ShapeError for an axis that is out of range or named twice.

/// Over no elements: 0.
Tensor sum(const Tensor& x, const Axes& axes = {}, ReduceOptions options = {});
/// Floating dtypes only. Over no elements: NaN.
Tensor mean(const Tensor& x, const Axes& axes = {}, ReduceOptions options = {});
/// The product; over no elements 1. The gradient is exact where elements are 0, too.
Tensor prod(const Tensor& x, const Axes& axes = {}, ReduceOptions options = {});
/// The largest element; NaN wins. Equal largest elements share the gradient equally. Throws ShapeError over
/// no elements.
Tensor max(const Tensor& x, const Axes& axes = {}, ReduceOptions options = {});
/// The smallest element, likewise.
Tensor min(const Tensor& x, const Axes& axes = {}, ReduceOptions options = {});
/// The place of the first largest element of an axis, int64, without a gradient. NaN wins.
Tensor argmax(const Tensor& x, std::int64_t axis, ReduceOptions options = {});
/// log(sum(exp(x))) without overflow; floating dtypes only. Over no elements, and over elements that are all
/// -infinity: -infinity, with gradients of 0. Where elements are +infinity: that, and they share the gradient
/// equally.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, ReduceOptions options = {});
/// The sums of the first 1, 2, ... elements of an axis.
Tensor cumsum(const Tensor& x, std::int64_t axis);
/// Sums the axes along which `shape` would be broadcast to the shape of x, so that the result has `shape`.
/// Throws ShapeError where it would not.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace rill
