#include "rill/autograd/ops/statistics.h"

#include <limits>

#include "rill/autograd/ops.h"
#include "rill/autograd/ops/reduction.h"
#include "rill/autograd/record.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/reduce.h"

namespace rill {

using detail::Reduction;

namespace {

Tensor deviation(const Tensor& x, const Reduction& r) {
  return x - mean(x, Axes(r.axes), {.keepdims = true});
}

/// What the sum of squares is divided by.
double divisor(const Reduction& r, const VarianceOptions& options) {
  if (r.count <= options.correction) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(r.count - options.correction);
}

Tensor variance_of(const Tensor& x, const Reduction& r, double divisor, bool keepdims) {
  const Tensor squares = kernels::square(deviation(x, r));
  return kernels::div(kernels::sum(squares, r.axes, keepdims), divisor);
}

/// The square root of f(x, keepdims), a sum of squares, also where squares are too large or too small for the
/// dtype: there elements are divided by the largest first. x is a constant.
template <class F>
Tensor root(const Tensor& x, const Reduction& r, bool keepdims, F f) {
  const Tensor plain = sqrt(f(x, keepdims));
  if (x.count() == 0) return plain;
  const double least = x.dtype() == DType::float32 ? 1e-12 : 1e-140;
  const Tensor fits = isfinite(plain) * (plain > least);
  if (min(fits).item() == 1) return plain;
  const Tensor largest = max(abs(x), Axes(r.axes), {.keepdims = true});
  const Tensor unit = where(isfinite(largest) * (largest > 0), largest, 1);
  return where(fits, plain, reshape(unit, plain.shape()) * sqrt(f(x / unit, keepdims)));
}

/// a / b, and 0 with a gradient of 0 where b is 0.
Tensor divide_or_zero(const Tensor& a, const Tensor& b) {
  const Tensor zero = equal(b, 0);
  return where(zero, 0, a / where(zero, 1, b));
}

}  // namespace

Tensor variance(const Tensor& x, const Axes& axes, VarianceOptions options) {
  detail::require_values("variance", x);
  detail::require_floating(x, "variance");
  const Reduction r(x.shape(), axes, "variance");
  const double n = divisor(r, options);
  return record(
      "variance", variance_of(stop_gradient(x), r, n, options.keepdims),
      wrt(x, [x, r, n](const Tensor& g) { return reshape(g, r.kept) * deviation(x, r) * (2 / n); }));
}

Tensor standard_deviation(const Tensor& x, const Axes& axes, VarianceOptions options) {
  detail::require_values("standard_deviation", x);
  detail::require_floating(x, "standard_deviation");
  const Reduction r(x.shape(), axes, "standard_deviation");
  const double n = divisor(r, options);
  const Tensor value = root(stop_gradient(x), r, options.keepdims,
                            [&](const Tensor& of, bool keepdims) { return variance_of(of, r, n, keepdims); });
  return record("standard_deviation", value, wrt(x, [x, r, n](const Tensor& g, const Tensor& y) {
                  return reshape(g, r.kept) * divide_or_zero(deviation(x, r), reshape(y * n, r.kept));
                }));
}

Tensor norm(const Tensor& x, const Axes& axes, ReduceOptions options) {
  detail::require_values("norm", x);
  detail::require_floating(x, "norm");
  const Reduction r(x.shape(), axes, "norm");
  const Tensor value = root(stop_gradient(x), r, options.keepdims, [&](const Tensor& of, bool keepdims) {
    return kernels::sum(kernels::square(of), r.axes, keepdims);
  });
  return record("norm", value, wrt(x, [x, kept = r.kept](const Tensor& g, const Tensor& y) {
                  return reshape(g, kept) * divide_or_zero(x, reshape(y, kept));
                }));
}

}  // namespace rill
