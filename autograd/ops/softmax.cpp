#include "rill/autograd/ops/softmax.h"

#include "rill/autograd/ops.h"
#include "rill/autograd/ops/reduction.h"
#include "rill/autograd/record.h"
#include "rill/tensor/kernels/reduce.h"

namespace rill {

Tensor softmax(const Tensor& x, std::int64_t axis) {
  detail::require_values("softmax", x);
  detail::require_floating(x, "softmax");
  const int a = normalize_axis(axis, x.rank(), "softmax");
  return record("softmax", kernels::softmax(x, a), wrt(x, [a](const Tensor& g, const Tensor& y) {
                  return y * (g - sum(g * y, a, {.keepdims = true}));
                }));
}

Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  detail::require_values("log_softmax", x);
  detail::require_floating(x, "log_softmax");
  const int a = normalize_axis(axis, x.rank(), "log_softmax");
  const Tensor y =
      record("log_softmax", kernels::log_softmax(x, a), wrt(x, [a](const Tensor& g, const Tensor& value) {
               return g - exp(value) * sum(g, a, {.keepdims = true});
             }));
  const Tensor exact = kernels::exact_near_zero(x, a, y);
  return exact.defined() ? record("log_softmax", exact, wrt(y, Identity{})) : y;
}

}  // namespace rill
