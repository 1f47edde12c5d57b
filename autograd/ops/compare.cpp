#include "rill/autograd/ops/compare.h"

#include "rill/autograd/record.h"
#include "rill/tensor/kernels/elementwise.h"

namespace rill {

Tensor equal(const Tensor& a, const Tensor& b) { return kernels::equal(a, b); }
Tensor not_equal(const Tensor& a, const Tensor& b) { return kernels::not_equal(a, b); }
Tensor operator<(const Tensor& a, const Tensor& b) { return kernels::less(a, b); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return kernels::less_equal(a, b); }
Tensor operator>(const Tensor& a, const Tensor& b) { return kernels::greater(a, b); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return kernels::greater_equal(a, b); }
Tensor isfinite(const Tensor& x) { return kernels::isfinite(x); }

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  detail::require_values("where", condition, a, b);
  return record("where", kernels::where(condition, a, b),
                wrt(a, [condition](const Tensor& g) { return where(condition, g, 0); }),
                wrt(b, [condition](const Tensor& g) { return where(condition, 0, g); }));
}

}  // namespace rill
