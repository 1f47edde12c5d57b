#include "rill/tensor/kernels/layout.h"

#include <cstdlib>
#include <numeric>
#include <utility>

#include "rill/tensor/kernels/views.h"

namespace rill::kernels {

Dims memory_order(const Dims& strides) {
  Dims order(strides.size(), 0);
  std::iota(order.begin(), order.end(), 0);
  // By insertion, which is stable and, unlike the standard library's stable sort, allocates nothing.
  const auto length = [&](int i) { return std::abs(strides[static_cast<int>(order[i])]); };
  for (int i = 1; i < order.size(); ++i)
    for (int j = i; j > 0 && length(j) > length(j - 1); --j) std::swap(order[j], order[j - 1]);
  return order;
}

bool is_dense(const Tensor& x) {
  if (x.is_contiguous()) return true;
  // Only strides of 0 make elements share a place, so a stretch as long as their number has no gap.
  std::int64_t extent = 1;
  for (int i = 0; i < x.rank(); ++i) {
    if (x.shape()[i] == 1) continue;
    if (x.strides()[i] <= 0) return false;
    extent += (x.shape()[i] - 1) * x.strides()[i];
  }
  return extent == x.count();
}

bool has_repeats(const Tensor& x) {
  for (int i = 0; i < x.rank(); ++i)
    if (x.strides()[i] == 0 && x.shape()[i] > 1) return true;
  return false;
}

bool share_cache_sets(std::int64_t bytes) {
  constexpr std::int64_t page = 4096;  // as far apart as lines of one set lie
  return bytes > 0 && bytes % page == 0;
}

Tensor empty_matrix(const Shape& shape, DType dtype) {
  const auto size = static_cast<std::int64_t>(size_of(dtype));
  if (shape.size() < 2 || !share_cache_sets(shape.back() * size)) return Tensor::empty(shape, dtype);
  constexpr std::int64_t line = 64;
  Shape padded = shape;
  padded.back() += line / size;
  return window(Tensor::empty(padded, dtype), shape.size() - 1, 0, shape.back());
}

namespace {

// The stride of x along an axis of a shape that it broadcasts to.
std::int64_t stride_along(const Tensor& x, int axis, int rank) {
  const int own = axis - (rank - (x.defined() ? x.rank() : 0));
  return x.defined() && own >= 0 && x.shape()[own] != 1 ? x.strides()[own] : 0;
}

}  // namespace

const Tensor* leading_operand(std::span<const Tensor> operands, const Shape& shape) {
  for (const Tensor& x : operands)
    if (x.defined() && x.shape() == shape && !has_repeats(x)) return &x;
  return nullptr;
}

Layout collapse(const Shape& shape, std::span<const Tensor> operands, const Dims& order) {
  Layout layout;
  layout.strides.resize(operands.size());
  const auto stride = [&](std::size_t operand, int axis) {
    return stride_along(operands[operand], axis, shape.size());
  };
  for (auto o : order) {
    const int axis = static_cast<int>(o);
    if (shape[axis] == 1) continue;
    bool joins = !layout.sizes.empty();
    for (std::size_t k = 0; k < operands.size() && joins; ++k)
      joins = layout.strides[k].back() == stride(k, axis) * shape[axis];
    if (joins)
      layout.sizes.back() *= shape[axis];
    else
      layout.sizes.push_back(shape[axis]);
    for (std::size_t k = 0; k < operands.size(); ++k) {
      if (joins)
        layout.strides[k].back() = stride(k, axis);
      else
        layout.strides[k].push_back(stride(k, axis));
    }
  }
  if (layout.sizes.empty()) {
    layout.sizes.push_back(1);
    for (auto& s : layout.strides) s.push_back(1);
  }
  return layout;
}

}  // namespace rill::kernels
