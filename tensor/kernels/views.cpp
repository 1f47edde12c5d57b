#include "rill/tensor/kernels/views.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"

namespace rill::kernels {

using detail::TensorAccess;

namespace {
std::int64_t offset_of(const Tensor& x) { return TensorAccess::body(x).offset; }
}  // namespace

Tensor window(const Tensor& x, int axis, std::int64_t start, std::int64_t length, std::int64_t step) {
  Shape shape = x.shape();
  Dims strides = x.strides();
  const std::int64_t offset = offset_of(x) + (length > 0 ? start * strides[axis] : 0);
  shape[axis] = length;
  strides[axis] *= step;
  return TensorAccess::view(x, offset, shape, strides);
}

Tensor permute(const Tensor& x, const Dims& order) {
  if (order.size() != x.rank())
    throw ShapeError(
        fmt::format("permute: order {} does not fit a tensor of rank {}", to_string(order), x.rank()));
  Shape shape;
  Dims strides, seen(x.rank(), 0);
  for (auto o : order) {
    const int axis = normalize_axis(o, x.rank(), "permute");
    if (seen[axis]++)
      throw ShapeError(fmt::format("permute: order {} names an axis twice", to_string(order)));
    shape.push_back(x.shape()[axis]);
    strides.push_back(x.strides()[axis]);
  }
  return TensorAccess::view(x, offset_of(x), shape, strides);
}

Tensor transpose(const Tensor& x, int a, int b) {
  Shape shape = x.shape();
  Dims strides = x.strides();
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return TensorAccess::view(x, offset_of(x), shape, strides);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  const int added = shape.size() - x.rank();
  Dims strides(shape.size(), 0);
  bool fits = added >= 0 && std::none_of(shape.begin(), shape.end(), [](auto size) { return size < 0; });
  for (int i = 0; fits && i < x.rank(); ++i) {
    if (x.shape()[i] == shape[added + i])
      strides[added + i] = x.strides()[i];
    else if (x.shape()[i] != 1)
      fits = false;
  }
  if (!fits)
    throw ShapeError(
        fmt::format("expand: shape {} cannot be expanded to {}", to_string(x.shape()), to_string(shape)));
  return TensorAccess::view(x, offset_of(x), shape, strides);
}

namespace {

// The strides of a view of another shape over the same elements in the same order, or none where the layout
// has none.
bool view_strides(const Tensor& x, const Shape& shape, Dims& strides) {
  strides = Dims(shape.size(), 0);
  int to = shape.size() - 1;
  int from = x.rank() - 1;
  while (from >= 0) {
    // A run of axes of x that lie densely one inside the other.
    std::int64_t run = x.shape()[from], step = x.strides()[from];
    while (from > 0 && (x.shape()[from - 1] == 1 || run == 1 || x.strides()[from - 1] == step * run)) {
      --from;
      if (run == 1) step = x.strides()[from];
      run *= x.shape()[from];
    }
    --from;
    std::int64_t filled = 1;
    while (to >= 0 && (filled < run || shape[to] == 1)) {
      if (run % (filled * shape[to]) != 0) return false;
      strides[to] = step * filled;
      filled *= shape[to];
      --to;
    }
    if (filled != run) return false;
  }
  return true;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& wanted) {
  Shape shape = wanted;
  int open = -1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open < 0)
      open = i;
    else if (shape[i] < 0)
      throw ShapeError(
          fmt::format("reshape: shape {} has more than one open or a negative size", to_string(wanted)));
  }
  if (open >= 0) {
    shape[open] = 1;
    const std::int64_t known = detail::product(1, shape).value_or(0);
    shape[open] = known == 0 ? 0 : x.count() / known;
  }
  if (detail::product(1, shape) != x.count())
    throw ShapeError(fmt::format("reshape: {} elements of shape {} do not fill shape {}", x.count(),
                                 to_string(x.shape()), to_string(wanted)));
  if (x.is_contiguous()) return TensorAccess::view(x, offset_of(x), shape, row_major_strides(shape));
  Dims strides;
  if (view_strides(x, shape, strides)) return TensorAccess::view(x, offset_of(x), shape, strides);
  return reshape(copy(x), shape);
}

Tensor squeeze(const Tensor& x, int axis) {
  if (x.shape()[axis] != 1)
    throw ShapeError(fmt::format("squeeze: axis {} of shape {} has not size 1", axis, to_string(x.shape())));
  Shape shape = x.shape();
  Dims strides = x.strides();
  shape.erase(axis);
  strides.erase(axis);
  return TensorAccess::view(x, offset_of(x), shape, strides);
}

Tensor unsqueeze(const Tensor& x, int axis) {
  Shape shape = x.shape();
  Dims strides = x.strides();
  shape.insert(axis, 1);
  strides.insert(axis, axis < x.rank() ? x.strides()[axis] * x.shape()[axis] : 1);
  return TensorAccess::view(x, offset_of(x), shape, strides);
}

}  // namespace rill::kernels
