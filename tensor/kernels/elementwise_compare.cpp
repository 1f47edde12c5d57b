#include <array>

#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/map.h"

namespace rill::kernels {

using detail::TensorAccess;

namespace {

template <class F>
Tensor compare(const char* operation, F holds, const Tensor& a, const Tensor& b) {
  return map(
      operation, [holds](auto x, auto y) { return where(holds(x, y), decltype(x)(1), decltype(x)(0)); }, a,
      b);
}

}  // namespace

Tensor equal(const Tensor& a, const Tensor& b) {
  return compare(
      "equal", [](auto x, auto y) { return x == y; }, a, b);
}
Tensor not_equal(const Tensor& a, const Tensor& b) {
  return compare(
      "not_equal", [](auto x, auto y) { return x != y; }, a, b);
}
Tensor less(const Tensor& a, const Tensor& b) {
  return compare(
      "less", [](auto x, auto y) { return x < y; }, a, b);
}
Tensor less_equal(const Tensor& a, const Tensor& b) {
  return compare(
      "less_equal", [](auto x, auto y) { return x <= y; }, a, b);
}
Tensor greater(const Tensor& a, const Tensor& b) {
  return compare(
      "greater", [](auto x, auto y) { return x > y; }, a, b);
}
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return compare(
      "greater_equal", [](auto x, auto y) { return x >= y; }, a, b);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const auto choose = [](auto c, auto x, auto y) { return where(c != 0, x, y); };
  const bool number_a = TensorAccess::body(a).weak, number_b = TensorAccess::body(b).weak;
  const Tensor& typed = number_a ? b : a;
  if (!(number_a && number_b) && condition.dtype() == typed.dtype())
    return map("where", choose, condition, a, b);
  std::array<Tensor, 2> values{a, b};
  simd::common_shape(values, "where");
  // In any dtype what is not 0 holds; as 1 or 0 it can be cast to another.
  const Tensor holds = cast(not_equal(condition, 0), values[0].dtype());
  Tensor out = map("where", choose, holds, values[0], values[1]);
  TensorAccess::mutable_body(out).weak = number_a && number_b;
  return out;
}

}  // namespace rill::kernels
