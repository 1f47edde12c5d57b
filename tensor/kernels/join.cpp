// Kernels that put tensors together or spread them out.

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/index.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;

namespace {

/// Copies each part to where target(i) says. Many small ones are shared out; a large one is cut by its own
/// copy.
template <class Target>
void copy_parts(const std::vector<Tensor>& parts, std::int64_t all, const Target& target) {
  constexpr std::int64_t worth_threads = 16384;  // elements
  const auto count = static_cast<std::int64_t>(parts.size());
  const bool small =
      std::all_of(parts.begin(), parts.end(), [](const Tensor& x) { return x.count() <= worth_threads; });
  const auto copy_some = [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      copy_into(parts[i], target(i));
  };
  if (!small) return copy_some(0, count);
  detail::parallel_for(
      count, std::max<std::int64_t>(1, worth_threads * count / std::max<std::int64_t>(1, all)), copy_some);
}

/// The stack as a view, where the parts lie in one storage, one after the other at equal distances.
std::optional<Tensor> stack_in_place(const std::vector<Tensor>& parts, const Shape& shape, int axis) {
  if (parts.size() < 2) return {};
  const auto& first = TensorAccess::body(parts[0]);
  const std::int64_t distance = TensorAccess::body(parts[1]).offset - first.offset;
  if (distance <= 0) return {};
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto& part = TensorAccess::body(parts[i]);
    if (part.storage != first.storage || !(part.strides == first.strides) ||
        part.offset != first.offset + static_cast<std::int64_t>(i) * distance)
      return {};
  }
  Dims strides = first.strides;
  strides.insert(axis, distance);
  return TensorAccess::view(parts[0], first.offset, shape, strides);
}

}  // namespace

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
    if (__builtin_add_overflow(shape[axis], size, &shape[axis]))
      throw ShapeError(fmt::format("concat: the sizes of axis {} add up to more than int64 can count", axis));
  }
  const Tensor out = Tensor::empty(shape, parts[0].dtype());
  std::vector<std::int64_t> begins;
  for (std::int64_t at = 0; const Tensor& part : parts) {
    begins.push_back(at);
    at += part.shape()[axis];
  }
  copy_parts(parts, out.count(),
             [&](std::size_t i) { return window(out, axis, begins[i], parts[i].shape()[axis]); });
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
  if (auto view = stack_in_place(parts, shape, axis)) return std::move(*view);
  const Tensor out = Tensor::empty(shape, parts[0].dtype());
  copy_parts(parts, out.count(), [&](std::size_t i) {
    return squeeze(window(out, axis, static_cast<std::int64_t>(i), 1), axis);
  });
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
    if (__builtin_add_overflow(shape[i], before, &shape[i]) ||
        __builtin_add_overflow(shape[i], after, &shape[i]))
      throw ShapeError(fmt::format("pad: widths {{{}, {}}} of axis {} add up to more than int64 can count",
                                   before, after, i));
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
