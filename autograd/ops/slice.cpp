#include "rill/autograd/ops/slice.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/index.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/kernels/views.h"

namespace rill {

using detail::TensorAccess;

namespace {

Tensor take(const Tensor& x, int axis, std::int64_t start, std::int64_t length, std::int64_t step = 1) {
  return record("slice", kernels::window(x, axis, start, length, step), wrt(x, Window{axis, start, step}));
}

Tensor slice_axis(const Tensor& x, int axis, const Range& range) {
  if (range.step == 0) throw ValueError("slice: the step is 0");
  const std::int64_t size = x.shape()[axis];
  // A longer step takes one element, too, and cannot overflow.
  const std::int64_t step = std::clamp(range.step, -size - 1, size + 1);
  // For a negative step both ends lie one lower: at the last element, and before the first.
  const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
  const auto place = [&](const std::optional<std::int64_t>& at, std::int64_t otherwise) {
    if (!at) return otherwise;
    return std::clamp(*at < 0 ? *at + size : *at, lowest, highest);
  };
  const std::int64_t start = place(range.start, step > 0 ? lowest : highest);
  const std::int64_t stop = place(range.stop, step > 0 ? highest : lowest);
  const std::int64_t distance = step > 0 ? stop - start : start - stop;
  if (distance <= 0) return take(x, axis, 0, 0);
  return take(x, axis, start, (distance - 1) / std::abs(step) + 1, step);
}

/// part(0), part(1), ... of a tensor that ends with the caller. They do not overlap, so where nobody else
/// sees the whole they can be written over.
template <class F>
std::vector<Tensor> cut(const Tensor& whole, std::int64_t parts, F part) {
  const bool given_away = TensorAccess::owns_elements(whole) && !kernels::has_repeats(whole);
  std::vector<Tensor> out;
  detail::with_memory("unbind or split", static_cast<std::uint64_t>(parts), sizeof(detail::TensorBody),
                      [&] { out.reserve(static_cast<std::size_t>(parts)); });
  for (std::int64_t i = 0; i < parts; ++i) out.push_back(part(i));
  if (given_away)
    for (Tensor& x : out) TensorAccess::set_alone(x);
  return out;
}

}  // namespace

Tensor slice(const Tensor& x, std::int64_t axis, const Range& range) {
  detail::require_values("slice", x);
  return slice_axis(x, normalize_axis(axis, x.rank(), "slice"), range);
}

Tensor slice(const Tensor& x, std::initializer_list<Part> parts) {
  detail::require_values("slice", x);
  if (static_cast<int>(parts.size()) > x.rank())
    throw ShapeError(
        fmt::format("slice: {} parts for the {} axes of {}", parts.size(), x.rank(), to_string(x.shape())));
  Tensor y = x;
  int axis = 0;
  for (const Part& part : parts) {
    if (part.index()) {
      y = select(y, axis, *part.index());
      continue;
    }
    const Range& range = part.range();
    if (range.start || range.stop || range.step != 1) y = slice_axis(y, axis, range);
    ++axis;
  }
  return y;
}

Tensor select(const Tensor& x, std::int64_t axis, std::int64_t index) {
  detail::require_values("select", x);
  const int a = normalize_axis(axis, x.rank(), "select");
  const std::int64_t size = x.shape()[a];
  if (index < -size || index >= size)
    throw ValueError(
        fmt::format("select: index {} is out of range for axis {} of {}", index, a, to_string(x.shape())));
  const std::int64_t i = index < 0 ? index + size : index;
  Shape shape = x.shape();
  Dims strides = x.strides();
  const std::int64_t offset = TensorAccess::body(x).offset + i * strides[a];
  shape.erase(a);
  strides.erase(a);
  return record("select", TensorAccess::view(x, offset, shape, strides),
                wrt(x, Window{.axis = a, .start = i, .step = 1, .drops_axis = true}));
}

std::vector<Tensor> unbind(Tensor x, std::int64_t axis) {
  detail::require_values("unbind", x);
  const std::int64_t size = x.shape()[normalize_axis(axis, x.rank(), "unbind")];
  return cut(x, size, [&](std::int64_t i) { return select(x, axis, i); });
}

std::vector<Tensor> split(Tensor x, std::int64_t parts, std::int64_t axis) {
  detail::require_values("split", x);
  const int a = normalize_axis(axis, x.rank(), "split");
  const std::int64_t size = x.shape()[a];
  if (parts <= 0 || size % parts != 0)
    throw ShapeError(fmt::format("split: axis {} of {} does not divide into {} equal parts", axis,
                                 to_string(x.shape()), parts));
  const std::int64_t length = size / parts;
  return cut(x, parts, [&](std::int64_t i) { return take(x, a, i * length, length); });
}

std::vector<Tensor> split(const Tensor& x, std::initializer_list<std::int64_t> sizes, std::int64_t axis) {
  return split(x, Dims(sizes), axis);
}

std::vector<Tensor> split(const Tensor& x, const Dims& sizes, std::int64_t axis) {
  detail::require_values("split", x);
  const int a = normalize_axis(axis, x.rank(), "split");
  std::int64_t total = 0;
  for (auto size : sizes) {
    if (size < 0 || size > x.shape()[a] - total) total = -1;
    if (total < 0) break;
    total += size;
  }
  if (total != x.shape()[a])
    throw ShapeError(fmt::format("split: sizes {} do not add up to axis {} of {}", to_string(sizes), axis,
                                 to_string(x.shape())));
  std::vector<Tensor> parts;
  std::int64_t start = 0;
  for (auto size : sizes) {
    parts.push_back(take(x, a, start, size));
    start += size;
  }
  return parts;
}

Tensor unslice(const Tensor& x, const Shape& shape, std::int64_t axis, std::int64_t start,
               std::int64_t step) {
  detail::require_values("unslice", x);
  const int a = normalize_axis(axis, shape.size(), "unslice");
  Shape expected = shape;
  if (x.rank() == shape.size()) expected[a] = x.shape()[a];
  if (!(x.shape() == expected))
    throw ShapeError(fmt::format("unslice: {} is no slice along axis {} of {}", to_string(x.shape()), a,
                                 to_string(shape)));
  const std::int64_t length = x.shape()[a];
  const Tensor value = kernels::full(shape, 0, x.dtype());
  if (length > 0) {
    std::int64_t last = 0;
    const bool overflows =
        __builtin_mul_overflow(length - 1, step, &last) || __builtin_add_overflow(start, last, &last);
    if (overflows || step == 0 || std::min(start, last) < 0 || std::max(start, last) >= shape[a])
      throw ValueError(fmt::format("unslice: {} elements from {} in steps of {} lie outside axis {} of {}",
                                   length, start, step, a, to_string(shape)));
    kernels::copy_into(x, kernels::window(value, a, start, length, step));
  }
  return record("unslice", value, wrt(x, [a, start, length, step](const Tensor& g) {
                  return take(g, a, start, length, step);
                }));
}

Tensor pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths, double value) {
  detail::require_values("pad", x);
  if (static_cast<int>(widths.size()) != x.rank())
    throw ShapeError(fmt::format("pad: {} pairs of widths for the {} axes of {}", widths.size(), x.rank(),
                                 to_string(x.shape())));
  for (const auto& [before, after] : widths)
    if (before < 0 || after < 0)
      throw ValueError(fmt::format("pad: the width {} is negative", std::min(before, after)));
  return record("pad", kernels::pad(x, widths, value), wrt(x, [shape = x.shape(), widths](const Tensor& g) {
                  Tensor inner = g;
                  for (int axis = 0; axis < shape.size(); ++axis)
                    if (shape[axis] != g.shape()[axis])
                      inner = take(inner, axis, widths[static_cast<std::size_t>(axis)].first, shape[axis]);
                  return inner;
                }));
}

}  // namespace rill
