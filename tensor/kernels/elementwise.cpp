#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/kernels/map.h"

namespace rill::kernels {

using detail::TensorAccess;
using simd::Packet;

namespace {

// The whole number that stands for a bound of int64 elements; the nearest to one that int64 cannot hold.
std::int64_t whole_bound(double bound) {
  if (std::trunc(bound) != bound)
    throw ValueError(fmt::format("clamp: the bound {} of an int64 tensor is not a whole number", bound));
  if (bound >= 9223372036854775808.0) return std::numeric_limits<std::int64_t>::max();
  if (bound <= -9223372036854775808.0) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(bound);
}

template <class Bound>
Tensor clamp_between(const Tensor& x, Bound low, Bound high) {
  // NaN fails both comparisons and stays.
  return map(
      "clamp",
      [low, high](auto v) {
        using P = decltype(v);
        const P raised = where(v < P(low), P(low), v);
        return where(raised > P(high), P(high), raised);
      },
      x);
}

}  // namespace

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high))
    throw ValueError(fmt::format("clamp: the lower bound {} is not at most the upper {}", low, high));
  return is_floating(x.dtype()) ? clamp_between(x, low, high)
                                : clamp_between(x, whole_bound(low), whole_bound(high));
}

namespace {

template <class T>
bool all_finite_of(const T* values, std::int64_t count) {
  constexpr std::int64_t width = Packet<T>::width, block = 64 * width;
  std::int64_t at = 0;
  // x - x is 0 for a finite x, else NaN, which stays in a sum.
  while (at + block <= count) {
    Packet<T> sum[4] = {0, 0, 0, 0};
    for (const std::int64_t end = at + block; at < end; at += 4 * width)
      for (std::int64_t k = 0; k < 4; ++k) {
        const auto v = Packet<T>::load(values + at + k * width);
        sum[k] = sum[k] + (v - v);
      }
    T sums[width];
    (sum[0] + sum[1] + (sum[2] + sum[3])).store(sums);
    if (!std::all_of(sums, sums + width, [](T s) { return s == 0; })) return false;
  }
  return std::all_of(values + at, values + count, [](T v) { return std::isfinite(v); });
}

}  // namespace

bool all_finite(const Tensor& x) {
  if (!is_floating(x.dtype())) return true;
  const Tensor dense = is_dense(x) ? x : copy(x);
  return x.dtype() == DType::float32 ? all_finite_of(TensorAccess::data<float>(dense), x.count())
                                     : all_finite_of(TensorAccess::data<double>(dense), x.count());
}

void accumulate(Tensor& x, const Tensor& y) {
  const auto& body = TensorAccess::body(x);
  const bool in_place = !body.weak && TensorAccess::sole_owner(x) && !has_repeats(x);
  Tensor addend = y;
  if (y.dtype() != body.dtype || TensorAccess::body(y).weak || !(y.shape() == body.shape)) {
    std::array<Tensor, 2> operands{x, y};
    const Shape shape = simd::common_shape(operands, "accumulate");
    if (!(shape == body.shape))
      throw ShapeError(fmt::format("accumulate: shape {} does not broadcast to {}", to_string(y.shape()),
                                   to_string(body.shape)));
    addend = operands[1];
  }
  if (!in_place) {
    x = add(x, addend);
    return;
  }
  body.storage->drop_derived();
  TensorAccess::mutable_body(x).slot = {};
  const detail::WriteExposed in_place_too(x);
  add_into(addend, x);
}

}  // namespace rill::kernels
