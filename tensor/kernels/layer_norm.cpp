#include "rill/tensor/kernels/layer_norm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/rows.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;
using simd::Packet;

namespace {

constexpr std::int64_t part_size = 4096;

/// x as [rows, n], whose rows are dense.
Tensor as_rows(const Tensor& x) {
  const std::int64_t columns = x.shape().back();
  const Tensor matrix = reshape(x, {columns == 0 ? 0 : x.count() / columns, columns});
  return matrix.strides()[1] == 1 ? matrix : copy(matrix);
}

template <class T>
struct Moments {
  T mean, scale;
};

/// The sum of f over packets of columns; `f(column)` for whole ones, `rest(column)` for single elements.
template <class T, class F, class Rest>
T total(std::int64_t columns, const F& f, const Rest& rest) {
  constexpr std::int64_t width = Packet<T>::width,
                         chains = 4;  // an addition takes as long as four can be begun in
  std::array<Packet<T>, chains> sums;
  sums.fill(Packet<T>(0));
  std::int64_t j = 0;
  for (; j + chains * width <= columns; j += chains * width)
    for (std::int64_t k = 0; k < chains; ++k) {
      auto& sum = sums[static_cast<std::size_t>(k)];
      sum = sum + f(j + k * width);
    }
  for (; j + width <= columns; j += width) sums[0] = sums[0] + f(j);
  T result = xsimd::hadd(((sums[0] + sums[1]) + (sums[2] + sums[3])).v);
  for (; j < columns; ++j) result += rest(j);
  return result;
}

/// The mean of the elements, and of the squares of what they are above it.
template <class T>
struct Spread {
  T mean, variance;
};

template <class T>
Spread<T> spread_of(const T* x, std::int64_t columns) {
  const auto n = static_cast<T>(columns);
  const T mean = total<T>(
                     columns, [&](std::int64_t j) { return Packet<T>::load(x + j); },
                     [&](std::int64_t j) { return x[j]; }) /
                 n;
  const T squares = total<T>(
      columns, [&](std::int64_t j) { return square(Packet<T>::load(x + j) - mean); },
      [&](std::int64_t j) { return (x[j] - mean) * (x[j] - mean); });
  return {mean, squares / n};
}

template <class T>
Moments<T> moments_of(const T* x, std::int64_t columns, T epsilon) {
  const Spread<T> plain = spread_of(x, columns);
  // Below this squares lose digits, which are felt where there is no epsilon.
  constexpr T least = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
  if (plain.variance + epsilon >= least && std::isfinite(plain.variance)) [[likely]]
    return {plain.mean, 1 / std::sqrt(plain.variance + epsilon)};
  T largest = 0;
  for (std::int64_t j = 0; j < columns; ++j) largest = std::max(largest, std::abs(x[j]));
  if (!(largest > 0 && std::isfinite(largest))) return {plain.mean, 1 / std::sqrt(plain.variance + epsilon)};
  std::vector<T> parts(x, x + columns);
  for (T& part : parts) part /= largest;
  const Spread<T> s = spread_of(parts.data(), columns);
  return {s.mean * largest, 1 / std::sqrt(s.variance + epsilon / largest / largest) / largest};
}

template <class T>
Tensor compute(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon, const Tensor& added,
               const Tensor& out) {
  const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
  const Tensor moments = Tensor::empty({rows, 2}, x.dtype());
  const T *from = TensorAccess::data<T>(x), *scales = TensorAccess::data<T>(gain),
          *shifts = TensorAccess::data<T>(bias),
          *base = added.defined() ? TensorAccess::data<T>(added) : nullptr;
  T *to = TensorAccess::raw<T>(out), *kept = TensorAccess::raw<T>(moments);
  const auto row = [&](std::int64_t i) {
    const T *p = from + i * x.strides()[0], *onto = base ? base + i * added.strides()[0] : nullptr;
    const Moments<T> m = moments_of(p, columns, static_cast<T>(epsilon));
    kept[2 * i] = m.mean;
    kept[2 * i + 1] = m.scale;
    for (std::int64_t j = 0; j < columns; j += Packet<T>::width) {
      const std::int64_t left = columns - j;
      Packet<T> y = (simd::load(p + j, left) - m.mean) * m.scale * simd::load(scales + j, left) +
                    simd::load(shifts + j, left);
      if (onto) y = y + simd::load(onto + j, left);
      simd::store(to + i * columns + j, left, y);
    }
  };
  detail::parallel_for(rows, std::max<std::int64_t>(1, part_size / std::max<std::int64_t>(columns, 1)),
                       [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t i = begin; i < end; ++i) row(i);
                       });
  return moments;
}

/// Writes the gradient of a row, and adds to those of gain and bias.
template <class T>
void gradient_row(const T* g, const T* x, const T* gain, std::int64_t columns, Moments<T> m, T* to,
                  T* to_gain, T* to_bias) {
  constexpr std::int64_t width = Packet<T>::width;
  struct Sums {
    Packet<T> gradient{0}, with_value{0};
  };
  std::array<Sums, 2> sums;
  const auto add = [&](std::int64_t j, Sums& sum) {
    const std::int64_t left = columns - j;
    const Packet<T> given = simd::load(g + j, left), value = (simd::load(x + j, left) - m.mean) * m.scale,
                    inner = given * simd::load(gain + j, left);
    sum.gradient = sum.gradient + inner;
    sum.with_value = sum.with_value + inner * value;
    simd::store(to_gain + j, left, simd::load(to_gain + j, left) + given * value);
    simd::store(to_bias + j, left, simd::load(to_bias + j, left) + given);
  };
  std::int64_t j = 0;
  for (; j + 2 * width <= columns; j += 2 * width) {
    add(j, sums[0]);
    add(j + width, sums[1]);
  }
  for (; j < columns; j += width) add(j, sums[0]);
  const auto n = static_cast<T>(columns);
  const T mean = xsimd::hadd((sums[0].gradient + sums[1].gradient).v) / n;
  const T slope = xsimd::hadd((sums[0].with_value + sums[1].with_value).v) / n * m.scale;
  for (j = 0; j < columns; j += width) {
    const std::int64_t left = columns - j;
    const Packet<T> inner = simd::load(g + j, left) * simd::load(gain + j, left);
    simd::store(to + j, left, m.scale * (inner - mean - (simd::load(x + j, left) - m.mean) * slope));
  }
}

template <class T>
LayerNormGradient compute_gradient(const Tensor& g, const Tensor& x, const Tensor& gain,
                                   const Tensor& moments) {
  const std::int64_t rows = x.shape()[0], columns = x.shape()[1];
  // To add up the sums of fewer rows costs more than it helps to share the work.
  constexpr std::int64_t fewest_rows = 8;
  const std::int64_t grain = simd::rows_per_sum(rows, columns, std::max(part_size, fewest_rows * columns));
  const std::int64_t parts = (rows + grain - 1) / grain;
  const LayerNormGradient out{empty_matrix(x.shape(), x.dtype()), Tensor::empty({parts, columns}, x.dtype()),
                              Tensor::empty({parts, columns}, x.dtype())};
  const T *given = TensorAccess::data<T>(g), *from = TensorAccess::data<T>(x),
          *scales = TensorAccess::data<T>(gain), *kept = TensorAccess::data<T>(moments);
  T *to = TensorAccess::raw<T>(out.x), *to_gain = TensorAccess::raw<T>(out.gain),
    *to_bias = TensorAccess::raw<T>(out.bias);
  detail::parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    T *const gains = to_gain + begin / grain * columns, *const biases = to_bias + begin / grain * columns;
    std::fill_n(gains, columns, T(0));
    std::fill_n(biases, columns, T(0));
    for (std::int64_t i = begin; i < end; ++i)
      gradient_row(given + i * g.strides()[0], from + i * x.strides()[0], scales, columns,
                   {kept[2 * i], kept[2 * i + 1]}, to + i * out.x.strides()[0], gains, biases);
  });
  return out;
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon,
                  const Tensor& added, const Tensor& out) {
  const auto by_type = x.dtype() == DType::float32 ? compute<float> : compute<double>;
  return by_type(as_rows(x), contiguous(gain), contiguous(bias), epsilon,
                 added.defined() ? as_rows(added) : added, out);
}

LayerNormGradient layer_norm_gradient(const Tensor& g, const Tensor& x, const Tensor& gain,
                                      const Tensor& moments) {
  const auto by_type = x.dtype() == DType::float32 ? compute_gradient<float> : compute_gradient<double>;
  LayerNormGradient out = by_type(as_rows(g), as_rows(x), contiguous(gain), moments);
  out.x = reshape(out.x, x.shape());
  return out;
}

}  // namespace rill::kernels
