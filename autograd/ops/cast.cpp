#include "rill/autograd/ops/cast.h"

#include "rill/autograd/record.h"
#include "rill/tensor/kernels/copy.h"

namespace rill {

Tensor cast(const Tensor& x, DType dtype) {
  detail::require_values("cast", x);
  Tensor value = kernels::cast(x, dtype);
  if (x.dtype() == dtype || !is_floating(dtype)) return value;
  return record("cast", std::move(value),
                wrt(x, [dtype = x.dtype()](const Tensor& g) { return cast(g, dtype); }));
}

}  // namespace rill
