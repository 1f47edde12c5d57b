// Kernels that put tensors together or spread them out.

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/index.h"
#include "rill/tensor/kernels/views.h"

namespace rill::kernels {

Tensor concat(const std::vector<Tensor>& parts, int axis) {
  if (parts.empty()) throw ValueError("concat: there are no tensors to join");
  Shape shape = parts[0].shape();
  if (axis >= shape.size()) throw ShapeError(fmt::format("concat: axis {} of scalars", axis));
  shape[axis] = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Shape rest = parts[i].shape();
    if (parts[i].dtype() != parts[0].dtype())
      throw DTypeError(fmt::format("concat: part {} has dtype {}, part 0 {}", i, name(parts[i].dtype()),
                                   name(parts[0].dtype())));
    const std::int64_t size = rest.size() == shape.size() ? rest[axis] : -1;
    if (size >= 0) rest[axis] = shape[axis];
    if (!(rest == shape))
      throw ShapeError(fmt::format("concat: part {} has shape {}, part 0 {}; they may differ on axis {} only",
                                   i, to_string(parts[i].shape()), to_string(parts[0].shape()), axis));
    shape[axis] += size;
  }
  const Tensor out = Tensor::empty(shape, parts[0].dtype());
  std::int64_t at = 0;
  for (const Tensor& part : parts) {
    const std::int64_t size = part.shape()[axis];
    copy_into(part, window(out, axis, at, size));
    at += size;
  }
  return out;
}

Tensor stack(const std::vector<Tensor>& parts, int axis) {
  if (parts.empty()) throw ValueError("stack: there are no tensors to join");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!(parts[i].shape() == parts[0].shape()))
      throw ShapeError(fmt::format("stack: part {} has shape {}, part 0 {}", i, to_string(parts[i].shape()),
                                   to_string(parts[0].shape())));
    if (parts[i].dtype() != parts[0].dtype())
      throw DTypeError(fmt::format("stack: part {} has dtype {}, part 0 {}", i, name(parts[i].dtype()),
                                   name(parts[0].dtype())));
  }
  Shape shape = parts[0].shape();
  shape.insert(axis, static_cast<std::int64_t>(parts.size()));
  const Tensor out = Tensor::empty(shape, parts[0].dtype());
  for (std::size_t i = 0; i < parts.size(); ++i)
    copy_into(parts[i], squeeze(window(out, axis, static_cast<std::int64_t>(i), 1), axis));
  return out;
}

Tensor pad(const Tensor& x, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths, double value) {
  if (static_cast<int>(widths.size()) != x.rank())
    throw ShapeError(fmt::format("pad: {} pairs of widths for a tensor of rank {}", widths.size(), x.rank()));
  Shape shape = x.shape();
  for (int i = 0; i < x.rank(); ++i) {
    const auto [before, after] = widths[static_cast<std::size_t>(i)];
    if (before < 0 || after < 0)
      throw ValueError(fmt::format("pad: widths {{{}, {}}} of axis {} are negative", before, after, i));
    shape[i] += before + after;
  }
  const Tensor out = full(shape, value, x.dtype());
  Tensor inside = out;
  for (int i = 0; i < x.rank(); ++i)
    inside = window(inside, i, widths[static_cast<std::size_t>(i)].first, x.shape()[i]);
  copy_into(x, inside);
  return out;
}

Tensor flip(const Tensor& x, const Dims& axes) {
  Tensor out = x;
  for (auto a : axes) {
    const int axis = static_cast<int>(a);
    out = window(out, axis, out.shape()[axis] - 1, out.shape()[axis], -1);
  }
  return copy(out);
}

}  // namespace rill::kernels
