#include "rill/autograd/ops/shape.h"

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/index.h"
#include "rill/tensor/kernels/views.h"

namespace rill {

Tensor reshape(const Tensor& x, const Shape& shape) {
  detail::require_values("reshape", x);
  if (x.shape() == shape) return x;
  return record("reshape", kernels::reshape(x, shape),
                wrt(x, [shape = x.shape()](const Tensor& g) { return reshape(g, shape); }));
}

Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b) {
  detail::require_values("transpose", x);
  const int i = normalize_axis(a, x.rank(), "transpose");
  const int j = normalize_axis(b, x.rank(), "transpose");
  return record("transpose", kernels::transpose(x, i, j),
                wrt(x, [i, j](const Tensor& g) { return transpose(g, i, j); }));
}

Tensor permute(const Tensor& x, const Axes& order) {
  detail::require_values("permute", x);
  const int rank = x.rank();
  if (order.list().size() != rank || normalize_axes(order.list(), rank, "permute").size() != rank)
    throw ShapeError(fmt::format("permute: {} does not name each of the {} axes of {} once",
                                 to_string(order.list()), rank, to_string(x.shape())));
  Dims from_front, inverse(rank, 0);
  for (auto axis : order.list()) from_front.push_back(normalize_axis(axis, rank, "permute"));
  for (int i = 0; i < rank; ++i) inverse[static_cast<int>(from_front[i])] = i;
  return record("permute", kernels::permute(x, from_front),
                wrt(x, [inverse](const Tensor& g) { return permute(g, Axes(inverse)); }));
}

Tensor expand(const Tensor& x, const Shape& shape) {
  detail::require_values("expand", x);
  if (x.shape() == shape) return x;
  return record("expand", kernels::expand(x, shape), wrt(x, Identity{}));
}

Tensor squeeze(const Tensor& x, const Axes& axes) {
  detail::require_values("squeeze", x);
  Shape shape;
  if (axes.list().empty()) {
    for (auto size : x.shape())
      if (size != 1) shape.push_back(size);
  } else {
    shape = x.shape();
    const Dims list = normalize_axes(axes.list(), x.rank(), "squeeze");
    for (int i = list.size() - 1; i >= 0; --i) {
      const int axis = static_cast<int>(list[i]);
      if (shape[axis] != 1)
        throw ShapeError(fmt::format("squeeze: axis {} of {} has not size 1", axis, to_string(x.shape())));
      shape.erase(axis);
    }
  }
  return reshape(x, shape);
}

Tensor unsqueeze(const Tensor& x, std::int64_t axis) {
  detail::require_values("unsqueeze", x);
  Shape shape = x.shape();
  shape.insert(normalize_axis(axis, x.rank() + 1, "unsqueeze"), 1);
  return reshape(x, shape);
}

Tensor flip(const Tensor& x, const Axes& axes) {
  detail::require_values("flip", x);
  const Dims list = normalize_axes(axes.list(), x.rank(), "flip");
  return record("flip", kernels::flip(x, list),
                wrt(x, [list](const Tensor& g) { return flip(g, Axes(list)); }));
}

Tensor contiguous(const Tensor& x) {
  detail::require_values("contiguous", x);
  if (x.is_contiguous()) return x;
  return record("contiguous", kernels::contiguous(x), wrt(x, Identity{}));
}

}  // namespace rill
