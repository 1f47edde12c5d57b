#include "rill/tensor/create.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/dispatch.h"
#include "rill/tensor/kernels/views.h"

namespace rill {

using detail::Literal;

Literal::Literal(std::initializer_list<Literal> list) {
  shape.push_back(static_cast<std::int64_t>(list.size()));
  if (list.size() > 0)
    for (auto size : list.begin()->shape) shape.push_back(size);
  for (const Literal& part : list) {
    if (const Shape& first = list.begin()->shape; !(part.shape == first)) {
      const bool both_lists = !part.shape.empty() && !first.empty();
      throw ShapeError(both_lists && part.shape[0] != first[0]
                           ? fmt::format("tensor: the rows are ragged: one has {} entries, another {}",
                                         first[0], part.shape[0])
                           : fmt::format("tensor: the rows are ragged: one has shape {}, another {}",
                                         to_string(first), to_string(part.shape)));
    }
    values.insert(values.end(), part.values.begin(), part.values.end());
  }
}

void Literal::throw_inexact(long double number) {
  throw ValueError(fmt::format("tensor: {:.20g} is not one of the numbers that float64 holds", number));
}

Tensor detail::from_numbers(const std::vector<double>& values, const Shape& shape, DType dtype,
                            const char* operation) {
  Tensor out = Tensor::empty(shape, dtype);
  kernels::with_type(dtype, [&](auto type) {
    using T = decltype(type);
    std::transform(values.begin(), values.end(), detail::TensorAccess::raw<T>(out),
                   [&](double value) { return kernels::element<T>(value, operation); });
  });
  return out;
}

Tensor zeros(const Shape& shape, DType dtype) { return kernels::full(shape, 0, dtype); }
Tensor ones(const Shape& shape, DType dtype) { return kernels::full(shape, 1, dtype); }
Tensor full(const Shape& shape, double value, DType dtype) { return kernels::full(shape, value, dtype); }
Tensor zeros_like(const Tensor& x) { return kernels::full(x.shape(), 0, x.dtype()); }
Tensor ones_like(const Tensor& x) { return kernels::full(x.shape(), 1, x.dtype()); }

Tensor arange(double start, double stop, double step, DType dtype) {
  const double length = std::ceil((stop - start) / step);
  if (step == 0 || !std::isfinite(step) || !std::isfinite(length))
    throw ValueError(
        fmt::format("arange: from {} to {} by {} is not a range of finite numbers", start, stop, step));
  if (length >= 0x1p63)
    throw ShapeError(fmt::format("arange: from {} to {} by {} are {} elements, more than a tensor can have",
                                 start, stop, step, length));
  const Tensor out = Tensor::empty({std::max<std::int64_t>(0, static_cast<std::int64_t>(length))}, dtype);
  kernels::with_type(dtype, [&](auto type) {
    using T = decltype(type);
    T* const values = detail::TensorAccess::raw<T>(out);
    for (std::int64_t i = 0; i < out.count(); ++i)
      values[i] = kernels::element<T>(start + static_cast<double>(i) * step, "arange");
  });
  return out;
}

Tensor arange(double n, DType dtype) {
  if (n != std::trunc(n)) throw ValueError(fmt::format("arange: {} is not a whole number", n));
  return arange(0, n, 1, dtype);
}

Tensor eye(std::int64_t n, DType dtype) {
  Tensor out = zeros({n, n}, dtype);
  if (n > 0) {
    const Tensor diagonal = detail::TensorAccess::view(out, 0, {n}, {n + 1});
    kernels::fill(diagonal, 1);
  }
  return out;
}

Tensor tensor(std::initializer_list<Literal> values, DType dtype) {
  const Literal all(values);
  return detail::from_numbers(all.values, all.shape, dtype, "tensor");
}

}  // namespace rill
