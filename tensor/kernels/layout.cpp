#include "rill/tensor/kernels/layout.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace rill::kernels {

Dims memory_order(const Dims& strides) {
  Dims order(strides.size(), 0);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return std::abs(strides[static_cast<int>(a)]) > std::abs(strides[static_cast<int>(b)]);
  });
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

namespace {

bool has_repeats(const Tensor& x) {
  for (int i = 0; i < x.rank(); ++i)
    if (x.strides()[i] == 0 && x.shape()[i] > 1) return true;
  return false;
}

// The strides of x over the axes of a shape that it broadcasts to.
Dims strides_over(const Tensor& x, const Shape& shape) {
  Dims strides(shape.size(), 0);
  const int offset = shape.size() - x.rank();
  for (int i = 0; i < x.rank(); ++i)
    if (x.shape()[i] != 1) strides[offset + i] = x.strides()[i];
  return strides;
}

}  // namespace

const Tensor* leading_operand(std::span<const Tensor> operands, const Shape& shape) {
  for (const Tensor& x : operands)
    if (x.defined() && x.shape() == shape && !has_repeats(x)) return &x;
  return nullptr;
}

Layout collapse(const Shape& shape, std::span<const Tensor> operands, const Dims& order) {
  std::vector<Dims> full;
  full.reserve(operands.size());
  for (const Tensor& x : operands)
    full.push_back(x.defined() ? strides_over(x, shape) : Dims(shape.size(), 0));

  Layout layout;
  layout.strides.resize(operands.size());
  for (auto o : order) {
    const int axis = static_cast<int>(o);
    if (shape[axis] == 1) continue;
    bool joins = !layout.sizes.empty();
    for (std::size_t k = 0; k < full.size() && joins; ++k)
      joins = layout.strides[k].back() == full[k][axis] * shape[axis];
    if (joins)
      layout.sizes.back() *= shape[axis];
    else
      layout.sizes.push_back(shape[axis]);
    for (std::size_t k = 0; k < full.size(); ++k) {
      if (joins)
        layout.strides[k].back() = full[k][axis];
      else
        layout.strides[k].push_back(full[k][axis]);
    }
  }
  if (layout.sizes.empty()) {
    layout.sizes.push_back(1);
    for (auto& s : layout.strides) s.push_back(1);
  }
  return layout;
}

}  // namespace rill::kernels
