#include "rill/autograd/ops/standardize.h"

#include "rill/autograd/ops.h"
#include "rill/autograd/ops/reduction.h"
#include "rill/autograd/record.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/standardize.h"

namespace rill {

Tensor standardize(const Tensor& x, double epsilon) {
  detail::require_floating(x, "standardize");
  if (x.rank() == 0) throw ShapeError("standardize: a scalar has no axis to standardise along");
  auto standardized = kernels::standardize(x, epsilon);
  return record("standardize", std::move(standardized.value),
                wrt(x, [x, scale = standardized.scale, epsilon](const Tensor& g, const Tensor& y) {
                  if (!is_recording()) return kernels::standardize_gradient(g, {y, scale});
                  // The scale as a function of x, for derivatives of higher order.
                  const ReduceOptions kept{.keepdims = true};
                  const Tensor slope = rsqrt(variance(x, -1, {.correction = 0, .keepdims = true}) + epsilon);
                  return slope * (g - mean(g, -1, kept) - y * mean(g * y, -1, kept));
                }));
}

}  // namespace rill
