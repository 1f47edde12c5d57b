#include "rill/tensor/kernels/elementwise.h"

#include <cmath>
#include <type_traits>

#include "rill/tensor/kernels/map.h"

namespace rill::kernels {

namespace {
constexpr auto floating = Accepts::floating;
}  // namespace

Tensor neg(const Tensor& x) {
  return map(
      "neg", [](auto v) { return -v; }, x);
}
Tensor abs(const Tensor& x) {
  return map(
      "abs", [](auto v) { return abs(v); }, x);
}
Tensor exp(const Tensor& x) {
  return map<floating>(
      "exp", [](auto v) { return exp(v); }, x);
}
Tensor log(const Tensor& x) {
  return map<floating>(
      "log", [](auto v) { return log(v); }, x);
}
Tensor log1p(const Tensor& x) {
  return map<floating>(
      "log1p", [](auto v) { return log1p(v); }, x);
}
Tensor expm1(const Tensor& x) {
  return map<floating>(
      "expm1", [](auto v) { return expm1(v); }, x);
}
Tensor sqrt(const Tensor& x) {
  return map<floating>(
      "sqrt", [](auto v) { return sqrt(v); }, x);
}
Tensor rsqrt(const Tensor& x) {
  return map<floating>(
      "rsqrt", [](auto v) { return rsqrt(v); }, x);
}
Tensor square(const Tensor& x) {
  return map(
      "square", [](auto v) { return v * v; }, x);
}
Tensor sin(const Tensor& x) {
  return map<floating>(
      "sin", [](auto v) { return sin(v); }, x);
}
Tensor cos(const Tensor& x) {
  return map<floating>(
      "cos", [](auto v) { return cos(v); }, x);
}
Tensor tanh(const Tensor& x) {
  return map<floating>(
      "tanh", [](auto v) { return tanh(v); }, x);
}
Tensor sigmoid(const Tensor& x) {
  return map<floating>(
      "sigmoid", [](auto v) { return sigmoid(v); }, x);
}
Tensor relu(const Tensor& x) {
  return map(
      "relu", [](auto v) { return relu(v); }, x);
}
Tensor softplus(const Tensor& x) {
  return map<floating>(
      "softplus", [](auto v) { return softplus(v); }, x);
}
Tensor sign(const Tensor& x) {
  return map(
      "sign", [](auto v) { return sign(v); }, x);
}
Tensor reciprocal(const Tensor& x) {
  return map<floating>(
      "reciprocal", [](auto v) { return reciprocal(v); }, x);
}
Tensor erf(const Tensor& x) {
  return map<floating>(
      "erf", [](auto v) { return erf(v); }, x);
}
Tensor erfc(const Tensor& x) {
  return map<floating>(
      "erfc",
      [](auto v) {
        using P = decltype(v);
        if constexpr (std::is_same_v<P, simd::Packet<float>>) {
          return P(xsimd::erfc(v.v));
        } else {
          alignas(64) double elements[P::width];
          v.store(elements);
          for (double& element : elements) element = std::erfc(element);
          return P::load(elements);
        }
      },
      x);
}
Tensor isfinite(const Tensor& x) {
  return map<floating>(
      "isfinite", [](auto v) { return where(v - v == 0, decltype(v)(1), decltype(v)(0)); }, x);
}

}  // namespace rill::kernels
