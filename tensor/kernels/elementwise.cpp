#include "rill/tensor/kernels/elementwise.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/rows.h"

namespace rill::kernels {

using detail::TensorAccess;
using simd::Packet;
using simd::Row;

namespace {

// A loop over a row for a function of N packets.
template <class T, class F, std::size_t... I>
void map_row(const void* context, const Row& row) {
  const F& f = *static_cast<const F*>(context);
  for (std::int64_t at = 0; at < row.count; at += Packet<T>::width) {
    const std::int64_t left = row.count - at;
    simd::store<T>(row, sizeof...(I), at, left, f(simd::load<T>(row, I, at, left)...));
  }
}

enum class Accepts { all, floating };

template <Accepts accepts, class F, std::size_t... I>
Tensor map(const char* operation, F f, std::array<Tensor, sizeof...(I)> inputs, std::index_sequence<I...>) {
  const bool weak = (TensorAccess::body(inputs[I]).weak && ...);
  const Shape shape = simd::common_shape(inputs, operation);
  const DType dtype = inputs[0].dtype();
  if (accepts == Accepts::floating && !is_floating(dtype))
    throw DTypeError(fmt::format("{}: {} {}: expected a floating dtype; cast it", operation, name(dtype),
                                 to_string(inputs[0].shape())));
  const std::array<Tensor, sizeof...(I) + 1> operands{inputs[I]..., simd::make_output(inputs, shape, dtype)};
  const auto run = [&](simd::RowKernel kernel) { simd::run(shape, operands, sizeof...(I), kernel, &f); };
  switch (dtype) {
    case DType::float32: run(&map_row<float, F, I...>); break;
    case DType::float64: run(&map_row<double, F, I...>); break;
    case DType::int64:
      if constexpr (accepts == Accepts::all) run(&map_row<std::int64_t, F, I...>);
      break;
  }
  Tensor out = operands[sizeof...(I)];
  TensorAccess::mutable_body(out).weak = weak;
  return out;
}

template <Accepts accepts = Accepts::all, class F, class... X>
Tensor map(const char* operation, F f, const X&... inputs) {
  return map<accepts>(operation, f, std::array<Tensor, sizeof...(X)>{inputs...}, std::index_sequence_for<X...>{});
}

constexpr auto floating = Accepts::floating;

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return map("add", [](auto x, auto y) { return x + y; }, a, b);
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return map("sub", [](auto x, auto y) { return x - y; }, a, b);
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return map("mul", [](auto x, auto y) { return x * y; }, a, b);
}
Tensor div(const Tensor& a, const Tensor& b) {
  return map<floating>("div", [](auto x, auto y) { return x / y; }, a, b);
}
Tensor pow(const Tensor& a, const Tensor& b) {
  return map<floating>("pow", [](auto x, auto y) { return pow(x, y); }, a, b);
}
Tensor maximum(const Tensor& a, const Tensor& b) {
  return map("maximum", [](auto x, auto y) { return maximum(x, y); }, a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return map("minimum", [](auto x, auto y) { return minimum(x, y); }, a, b);
}

Tensor equal(const Tensor& a, const Tensor& b) {
  return map("equal", [](auto x, auto y) { return where(x == y, decltype(x)(1), decltype(x)(0)); }, a, b);
}
Tensor not_equal(const Tensor& a, const Tensor& b) {
  return map("not_equal", [](auto x, auto y) { return where(x != y, decltype(x)(1), decltype(x)(0)); }, a, b);
}
Tensor less(const Tensor& a, const Tensor& b) {
  return map("less", [](auto x, auto y) { return where(x < y, decltype(x)(1), decltype(x)(0)); }, a, b);
}
Tensor less_equal(const Tensor& a, const Tensor& b) {
  return map("less_equal", [](auto x, auto y) { return where(x <= y, decltype(x)(1), decltype(x)(0)); }, a, b);
}
Tensor greater(const Tensor& a, const Tensor& b) {
  return map("greater", [](auto x, auto y) { return where(x > y, decltype(x)(1), decltype(x)(0)); }, a, b);
}
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return map("greater_equal", [](auto x, auto y) { return where(x >= y, decltype(x)(1), decltype(x)(0)); }, a, b);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  std::array<Tensor, 2> values{a, b};
  simd::common_shape(values, "where");
  const DType dtype = values[0].dtype();
  // In any dtype what is not 0 holds; as 1 or 0 it can be cast to another.
  const Tensor holds = condition.dtype() == dtype ? condition : cast(not_equal(condition, 0), dtype);
  return map("where", [](auto c, auto x, auto y) { return where(c != 0, x, y); }, holds, values[0], values[1]);
}

Tensor neg(const Tensor& x) {
  return map("neg", [](auto v) { return -v; }, x);
}
Tensor abs(const Tensor& x) {
  return map("abs", [](auto v) { return abs(v); }, x);
}
Tensor exp(const Tensor& x) {
  return map<floating>("exp", [](auto v) { return exp(v); }, x);
}
Tensor log(const Tensor& x) {
  return map<floating>("log", [](auto v) { return log(v); }, x);
}
Tensor log1p(const Tensor& x) {
  return map<floating>("log1p", [](auto v) { return log1p(v); }, x);
}
Tensor expm1(const Tensor& x) {
  return map<floating>("expm1", [](auto v) { return expm1(v); }, x);
}
Tensor sqrt(const Tensor& x) {
  return map<floating>("sqrt", [](auto v) { return sqrt(v); }, x);
}
Tensor rsqrt(const Tensor& x) {
  return map<floating>("rsqrt", [](auto v) { return rsqrt(v); }, x);
}
Tensor square(const Tensor& x) {
  return map("square", [](auto v) { return v * v; }, x);
}
Tensor sin(const Tensor& x) {
  return map<floating>("sin", [](auto v) { return sin(v); }, x);
}
Tensor cos(const Tensor& x) {
  return map<floating>("cos", [](auto v) { return cos(v); }, x);
}
Tensor tanh(const Tensor& x) {
  return map<floating>("tanh", [](auto v) { return tanh(v); }, x);
}
Tensor sigmoid(const Tensor& x) {
  return map<floating>("sigmoid", [](auto v) { return sigmoid(v); }, x);
}
Tensor relu(const Tensor& x) {
  return map("relu", [](auto v) { return relu(v); }, x);
}
Tensor softplus(const Tensor& x) {
  return map<floating>("softplus", [](auto v) { return softplus(v); }, x);
}
Tensor sign(const Tensor& x) {
  return map("sign", [](auto v) { return sign(v); }, x);
}
Tensor reciprocal(const Tensor& x) {
  return map<floating>("reciprocal", [](auto v) { return reciprocal(v); }, x);
}
Tensor erf(const Tensor& x) {
  return map<floating>("erf", [](auto v) { return erf(v); }, x);
}
Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) throw ValueError(fmt::format("clamp: the lower bound {} is not at most the upper {}", low, high));
  if (!is_floating(x.dtype())) {
    // Bounds that int64 cannot hold do not bind.
    constexpr double most = 9223372036854774784.0;
    low = std::clamp(low, -most, most);
    high = std::clamp(high, -most, most);
  }
  // NaN fails both comparisons and stays.
  return map("clamp", [low, high](auto v) {
    using P = decltype(v);
    const P clipped = where(v < P(low), P(low), v);
    return where(clipped > P(high), P(high), clipped);
  }, x);
}
Tensor isfinite(const Tensor& x) {
  return map<floating>("isfinite", [](auto v) { return where(v - v == 0, decltype(v)(1), decltype(v)(0)); }, x);
}

namespace {
template <class T>
bool finite_row(std::span<const T> values) {
  // x - x is 0 for a finite x, else NaN, which stays in a sum.
  T sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] - values[i];
  return sum == 0;
}
}  // namespace

bool all_finite(const Tensor& x) {
  if (!is_floating(x.dtype())) return true;
  const Tensor dense = contiguous(x);
  return x.dtype() == DType::float32 ? finite_row(dense.span<float>()) : finite_row(dense.span<double>());
}

void accumulate(Tensor& x, const Tensor& y) {
  const bool dense = x.is_contiguous();
  if (!dense || !TensorAccess::sole_owner(x)) {
    x = add(x, y);
    return;
  }
  TensorAccess::body(x).storage->drop_derived();
  add_into(TensorAccess::body(y).weak ? cast(y, x.dtype()) : y, x);
}

}  // namespace rill::kernels
