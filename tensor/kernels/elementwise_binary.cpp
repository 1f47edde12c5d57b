#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/map.h"

namespace rill::kernels {

namespace {
constexpr auto floating = Accepts::floating;
}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return map(
      "add", [](auto x, auto y) { return x + y; }, a, b);
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return map(
      "sub", [](auto x, auto y) { return x - y; }, a, b);
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return map(
      "mul", [](auto x, auto y) { return x * y; }, a, b);
}
Tensor div(const Tensor& a, const Tensor& b) {
  return map<floating>(
      "div", [](auto x, auto y) { return x / y; }, a, b);
}
Tensor pow(const Tensor& a, const Tensor& b) {
  return map<floating>(
      "pow", [](auto x, auto y) { return pow(x, y); }, a, b);
}
Tensor maximum(const Tensor& a, const Tensor& b) {
  return map(
      "maximum", [](auto x, auto y) { return maximum(x, y); }, a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return map(
      "minimum", [](auto x, auto y) { return minimum(x, y); }, a, b);
}

}  // namespace rill::kernels
