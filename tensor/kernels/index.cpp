#include "rill/tensor/kernels/index.h"

#include <algorithm>
#include <type_traits>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/dispatch.h"
#include "rill/tensor/kernels/flush_subnormals.h"
#include "rill/tensor/kernels/scratch.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;

namespace {

// The indices counted from the front, all in [0, size).
std::vector<std::int64_t> checked(const Tensor& indices, std::int64_t size, int axis, const char* operation) {
  if (indices.dtype() != DType::int64)
    throw DTypeError(
        fmt::format("{}: the indices have dtype {}; expected int64", operation, name(indices.dtype())));
  auto values = indices.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::int64_t from_front = values[i] < 0 ? values[i] + size : values[i];
    if (from_front < 0 || from_front >= size)
      throw ValueError(fmt::format("{}: index {} at place {} is out of range for axis {} of size {}",
                                   operation, values[i], i, axis, size));
    values[i] = from_front;
  }
  return values;
}

// A shape seen as [outer, size of axis, inner].
struct Around {
  std::int64_t outer = 1, inner = 1;
  Around(const Shape& shape, int axis) {
    for (int i = 0; i < shape.size(); ++i) {
      if (i < axis) outer *= shape[i];
      if (i > axis) inner *= shape[i];
    }
  }
};

Shape replaced(const Shape& shape, int axis, const Shape& by) {
  Shape out;
  for (int i = 0; i < shape.size(); ++i) {
    if (i != axis) {
      out.push_back(shape[i]);
      continue;
    }
    for (auto size : by) out.push_back(size);
  }
  return out;
}

void check_axis(const Shape& shape, int axis, const char* operation) {
  if (axis >= shape.size())
    throw ShapeError(
        fmt::format("{}: axis {} is out of range for a tensor of rank {}", operation, axis, shape.size()));
}

void check_same_dtype(const Tensor& a, const Tensor& b, const char* operation) {
  if (a.dtype() != b.dtype())
    throw DTypeError(fmt::format("{}: {} and {}: the dtypes differ; cast one", operation, name(a.dtype()),
                                 name(b.dtype())));
}

// What very many elements that meet at one place are summed in.
template <class T>
using Total = std::conditional_t<std::same_as<T, std::int64_t>, std::int64_t, double>;

template <class From, class To>
void add(const From* from, std::int64_t n, To* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] += static_cast<To>(from[i]);
}

// So few additions one after the other that rounding is not felt.
constexpr std::int64_t few_additions = 4;

// The places of an axis at which more rows meet than are added one by one.
class Meetings {
 public:
  Meetings(const std::vector<std::int64_t>& index, std::int64_t size) {
    if (static_cast<std::int64_t>(index.size()) <= few_additions) return;
    numbers_.assign(static_cast<std::size_t>(size), 0);
    for (const std::int64_t place : index) ++numbers_[static_cast<std::size_t>(place)];
    for (std::size_t place = 0; place < numbers_.size(); ++place) {
      const bool is_many = numbers_[place] > few_additions;
      numbers_[place] = is_many ? many() : -1;
      if (is_many) places_.push_back(static_cast<std::int64_t>(place));
    }
  }
  std::int64_t many() const { return static_cast<std::int64_t>(places_.size()); }
  std::int64_t place(std::int64_t k) const { return places_[static_cast<std::size_t>(k)]; }
  /// Which of the many places this is, or -1.
  std::int64_t total(std::int64_t place) const {
    return places_.empty() ? -1 : numbers_[static_cast<std::size_t>(place)];
  }

 private:
  std::vector<std::int64_t> numbers_, places_;
};

// Calls f(flat place among the indices, flat place in x) for each index of gather and scatter_add.
template <class F>
void for_each_gathered(const Shape& shape, int axis, const Tensor& indices, const char* operation, F f) {
  bool fits = indices.rank() == shape.size();
  for (int i = 0; fits && i < shape.size(); ++i) fits = i == axis || indices.shape()[i] <= shape[i];
  if (!fits)
    throw ShapeError(fmt::format("{}: indices of shape {} do not fit into {} off axis {}", operation,
                                 to_string(indices.shape()), to_string(shape), axis));
  const auto index = checked(indices, shape[axis], axis, operation);
  const Dims strides = row_major_strides(shape);
  Dims at(shape.size(), 0);
  for (std::size_t i = 0; i < index.size(); ++i) {
    std::int64_t place = 0;
    for (int d = 0; d < shape.size(); ++d) place += (d == axis ? index[i] : at[d]) * strides[d];
    f(i, place);
    for (int d = shape.size() - 1; d >= 0 && ++at[d] == indices.shape()[d]; --d) at[d] = 0;
  }
}

}  // namespace

Tensor index_select(const Tensor& x, int axis, const Tensor& indices) {
  check_axis(x.shape(), axis, "index_select");
  const auto index = checked(indices, x.shape()[axis], axis, "index_select");
  const Tensor from = contiguous(x);
  const Tensor out = Tensor::empty(replaced(x.shape(), axis, indices.shape()), x.dtype());
  const Around around(x.shape(), axis);
  const auto n = static_cast<std::int64_t>(index.size()), size = x.shape()[axis];
  with_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* a = TensorAccess::data<T>(from);
    T* b = TensorAccess::raw<T>(out);
    const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, around.inner));
    detail::parallel_for(around.outer * n, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        std::copy_n(a + (row / n * size + index[static_cast<std::size_t>(row % n)]) * around.inner,
                    around.inner, b + row * around.inner);
    });
  });
  return out;
}

Tensor index_add(const Shape& shape, int axis, const Tensor& indices, const Tensor& values) {
  check_axis(shape, axis, "index_add");
  const auto index = checked(indices, shape[axis], axis, "index_add");
  if (!(values.shape() == replaced(shape, axis, indices.shape())))
    throw ShapeError(fmt::format("index_add: values of shape {}; expected {}", to_string(values.shape()),
                                 to_string(replaced(shape, axis, indices.shape()))));
  const Tensor from = contiguous(values);
  const Tensor out = full(shape, 0, values.dtype());
  const Around around(shape, axis);
  with_type(values.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* a = TensorAccess::data<T>(from);
    T* b = TensorAccess::raw<T>(out);
    const FlushSubnormals guard;
    const Meetings meetings(index, shape[axis]);
    const gemm::Scratch<Total<T>> totals(meetings.many() * around.inner);
    // Rows may meet, so they are added in order.
    for (std::int64_t o = 0; o < around.outer; ++o, b += shape[axis] * around.inner) {
      std::fill_n(totals.data(), meetings.many() * around.inner, Total<T>(0));
      for (const std::int64_t place : index) {
        if (const std::int64_t total = meetings.total(place); total >= 0)
          add(a, around.inner, totals.data() + total * around.inner);
        else
          add(a, around.inner, b + place * around.inner);
        a += around.inner;
      }
      for (std::int64_t k = 0; k < meetings.many(); ++k)
        std::transform(totals.data() + k * around.inner, totals.data() + (k + 1) * around.inner,
                       b + meetings.place(k) * around.inner,
                       [](Total<T> total) { return static_cast<T>(total); });
    }
  });
  return out;
}

Tensor gather(const Tensor& x, int axis, const Tensor& indices) {
  check_axis(x.shape(), axis, "gather");
  const Tensor from = contiguous(x);
  const Tensor out = Tensor::empty(indices.shape(), x.dtype());
  with_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* a = TensorAccess::data<T>(from);
    T* b = TensorAccess::raw<T>(out);
    for_each_gathered(x.shape(), axis, indices, "gather",
                      [&](std::size_t i, std::int64_t place) { b[i] = a[place]; });
  });
  return out;
}

Tensor scatter_add(const Tensor& x, int axis, const Tensor& indices, const Tensor& values) {
  check_axis(x.shape(), axis, "scatter_add");
  check_same_dtype(x, values, "scatter_add");
  if (!(values.shape() == indices.shape()))
    throw ShapeError(fmt::format("scatter_add: values of shape {} for indices of shape {}",
                                 to_string(values.shape()), to_string(indices.shape())));
  // Where many may meet at one place, in double.
  if (x.dtype() == DType::float32 && indices.rank() == x.rank() && indices.shape()[axis] > few_additions)
    return cast(scatter_add(cast(x, DType::float64), axis, indices, cast(values, DType::float64)), x.dtype());
  const Tensor from = contiguous(values);
  const Tensor out = copy(x);
  with_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* a = TensorAccess::data<T>(from);
    T* b = TensorAccess::raw<T>(out);
    const FlushSubnormals guard;
    for_each_gathered(x.shape(), axis, indices, "scatter_add",
                      [&](std::size_t i, std::int64_t place) { b[place] += a[i]; });
  });
  return out;
}

Tensor one_hot(const Tensor& indices, std::int64_t classes, DType dtype) {
  if (classes < 1) throw ValueError(fmt::format("one_hot: {} classes; expected at least 1", classes));
  const auto index = checked(indices, classes, -1, "one_hot");
  for (std::int64_t label : indices.to_vector<std::int64_t>())
    if (label < 0) throw ValueError(fmt::format("one_hot: the index {} is negative", label));
  Shape shape = indices.shape();
  shape.push_back(classes);
  const Tensor out = full(shape, 0, dtype);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* to = TensorAccess::raw<T>(out);
    for (std::size_t i = 0; i < index.size(); ++i)
      to[static_cast<std::int64_t>(i) * classes + index[i]] = T(1);
  });
  return out;
}

}  // namespace rill::kernels
