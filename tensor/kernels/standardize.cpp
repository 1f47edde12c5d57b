#include "rill/tensor/kernels/standardize.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/packet.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;

namespace {

/// The sum of f over packets of columns; `f(column)` for whole ones, `rest(column)` for single elements.
template <class T, class F, class Rest>
T total(std::int64_t columns, const F& f, const Rest& rest) {
  using Packet = simd::Packet<T>;
  constexpr std::int64_t width = Packet::width,
                         chains = 4;  // an addition takes as long as four can be begun in
  std::array<typename Packet::Batch, chains> sums;
  sums.fill(typename Packet::Batch(T(0)));
  std::int64_t j = 0;
  for (; j + chains * width <= columns; j += chains * width)
    for (std::int64_t k = 0; k < chains; ++k) sums[static_cast<std::size_t>(k)] += f(j + k * width).v;
  for (; j + width <= columns; j += width) sums[0] += f(j).v;
  T result = xsimd::hadd((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; j < columns; ++j) result += rest(j);
  return result;
}

template <class T>
void standardize_row(const T* x, std::int64_t columns, T epsilon, T* y, T& scale) {
  using Packet = simd::Packet<T>;
  const auto n = static_cast<T>(columns);
  const T mean = total<T>(
                     columns, [&](std::int64_t j) { return Packet::load(x + j); },
                     [&](std::int64_t j) { return x[j]; }) /
                 n;
  const T squares = total<T>(
      columns, [&](std::int64_t j) { return square(Packet::load(x + j) - mean); },
      [&](std::int64_t j) { return (x[j] - mean) * (x[j] - mean); });
  scale = 1 / std::sqrt(squares / n + epsilon);
  for (std::int64_t j = 0; j < columns; ++j) y[j] = (x[j] - mean) * scale;
}

template <class T>
void gradient_row(const T* g, const T* y, std::int64_t columns, T scale, T* to) {
  using Packet = simd::Packet<T>;
  const auto n = static_cast<T>(columns);
  const T mean = total<T>(
                     columns, [&](std::int64_t j) { return Packet::load(g + j); },
                     [&](std::int64_t j) { return g[j]; }) /
                 n;
  const T slope = total<T>(
                      columns, [&](std::int64_t j) { return Packet::load(g + j) * Packet::load(y + j); },
                      [&](std::int64_t j) { return g[j] * y[j]; }) /
                  n;
  for (std::int64_t j = 0; j < columns; ++j) to[j] = scale * (g[j] - mean - y[j] * slope);
}

void over_rows(const Tensor& x, detail::FunctionRef<void(std::int64_t)> row) {
  const std::int64_t columns = std::max<std::int64_t>(x.shape().back(), 1);
  const std::int64_t rows = x.count() / columns;
  detail::parallel_for(rows, std::max<std::int64_t>(1, 4096 / columns),
                       [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t i = begin; i < end; ++i) row(i);
                       });
}

template <class T>
void compute(const Tensor& x, double epsilon, const Standardized& out) {
  const std::int64_t columns = x.shape().back();
  const T* from = TensorAccess::data<T>(x);
  T *to = TensorAccess::raw<T>(out.value), *scale = TensorAccess::raw<T>(out.scale);
  over_rows(x, [&](std::int64_t i) {
    standardize_row(from + i * columns, columns, static_cast<T>(epsilon), to + i * columns, scale[i]);
  });
}

template <class T>
void compute_gradient(const Tensor& g, const Tensor& y, const Tensor& scales, const Tensor& out) {
  const std::int64_t columns = g.shape().back();
  const T *from = TensorAccess::data<T>(g), *value = TensorAccess::data<T>(y),
          *scale = TensorAccess::data<T>(scales);
  T* to = TensorAccess::raw<T>(out);
  over_rows(g, [&](std::int64_t i) {
    gradient_row(from + i * columns, value + i * columns, columns, scale[i], to + i * columns);
  });
}

}  // namespace

Standardized standardize(const Tensor& x, double epsilon) {
  const Tensor dense = contiguous(x);
  Shape shape = x.shape();
  const Tensor value = Tensor::empty(shape, x.dtype());
  shape.back() = 1;
  Standardized out{value, Tensor::empty(shape, x.dtype())};
  if (x.dtype() == DType::float32)
    compute<float>(dense, epsilon, out);
  else
    compute<double>(dense, epsilon, out);
  return out;
}

Tensor standardize_gradient(const Tensor& g, const Standardized& y) {
  const Tensor out = Tensor::empty(g.shape(), g.dtype());
  if (g.dtype() == DType::float32)
    compute_gradient<float>(contiguous(g), contiguous(y.value), y.scale, out);
  else
    compute_gradient<double>(contiguous(g), contiguous(y.value), y.scale, out);
  return out;
}

}  // namespace rill::kernels
