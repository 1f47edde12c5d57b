#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/tensor.h"

namespace rill::test {

/// The elements in row-major order, read one by one through the strides and no kernel.
template <class T>
std::vector<T> elements(const Tensor& x) {
  std::vector<T> out;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    std::int64_t rest = i, offset = 0;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      offset += rest % x.shape()[axis] * x.strides()[axis];
      rest /= x.shape()[axis];
    }
    switch (x.dtype()) {
      case DType::float32:
        out.push_back(static_cast<T>(detail::TensorAccess::data<float>(x)[offset]));
        break;
      case DType::float64:
        out.push_back(static_cast<T>(detail::TensorAccess::data<double>(x)[offset]));
        break;
      case DType::int64:
        out.push_back(static_cast<T>(detail::TensorAccess::data<std::int64_t>(x)[offset]));
        break;
    }
  }
  return out;
}

/// The bits of the elements, so that NaN equals NaN and -0 differs from 0.
inline std::vector<std::uint64_t> bits(const Tensor& x) {
  std::vector<std::uint64_t> out;
  if (x.dtype() == DType::float32)
    for (float v : elements<float>(x)) out.push_back(std::bit_cast<std::uint32_t>(v));
  else if (x.dtype() == DType::float64)
    for (double v : elements<double>(x)) out.push_back(std::bit_cast<std::uint64_t>(v));
  else
    for (std::int64_t v : elements<std::int64_t>(x)) out.push_back(static_cast<std::uint64_t>(v));
  return out;
}

/// Values of both signs, none of them 0, that differ from one seed to the next.
inline Tensor values(const Shape& shape, DType dtype, int seed = 0) {
  Tensor x = Tensor::empty(shape, dtype);
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const std::int64_t v = (i * 37 + seed * 11) % 101 - 50;
    switch (dtype) {
      case DType::float32:
        detail::TensorAccess::raw<float>(x)[i] = static_cast<float>(v) / 16 + 0.03F;
        break;
      case DType::float64:
        detail::TensorAccess::raw<double>(x)[i] = static_cast<double>(v) / 16 + 0.03;
        break;
      case DType::int64:
        detail::TensorAccess::raw<std::int64_t>(x)[i] = v == 0 ? 7 : v;
        break;
    }
  }
  return x;
}

struct Named {
  std::string name;
  Tensor tensor;
};

/// Tensors of one shape in every kind of layout.
inline std::vector<Named> layouts(const Shape& shape, DType dtype, int seed = 0) {
  std::vector<Named> out;
  out.push_back({"contiguous", values(shape, dtype, seed)});
  const int rank = shape.size();
  if (rank == 0) return out;
  Shape backwards;
  Dims order;
  for (int axis = rank - 1; axis >= 0; --axis) {
    backwards.push_back(shape[axis]);
    order.push_back(axis);
  }
  out.push_back({"transposed", kernels::permute(values(backwards, dtype, seed), order)});
  for (int axis : {0, rank - 1}) {
    Shape one = shape;
    one[axis] = 1;
    out.push_back({"broadcast", kernels::expand(values(one, dtype, seed), shape)});
    Shape large = shape;
    large[axis] = 2 * shape[axis] + 3;
    out.push_back({"stepped", kernels::window(values(large, dtype, seed), axis, 1, shape[axis], 2)});
    out.push_back({"slice", kernels::window(values(large, dtype, seed), axis, 2, shape[axis])});
    out.push_back(
        {"reversed", kernels::window(values(shape, dtype, seed), axis, shape[axis] - 1, shape[axis], -1)});
  }
  return out;
}

/// Shapes of every kind: a scalar, one element, none, rows shorter and longer than a packet, many axes.
inline std::vector<Shape> shapes() {
  return {{}, {1}, {0}, {3, 0, 2}, {5}, {37}, {4, 1, 3}, {3, 17}, {2, 3, 33}, {2, 1, 2, 3, 1, 2, 2, 3}};
}

}  // namespace rill::test
