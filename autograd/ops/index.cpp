#include "rill/autograd/ops/index.h"

#include "rill/autograd/record.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/index.h"

namespace rill {

Tensor index_select(const Tensor& x, std::int64_t axis, const Tensor& indices) {
  detail::require_values("index_select", x, indices);
  const int a = normalize_axis(axis, x.rank(), "index_select");
  return record(
      "index_select", kernels::index_select(x, a, indices),
      wrt(x, [shape = x.shape(), a, indices](const Tensor& g) { return index_add(g, shape, a, indices); }));
}

Tensor index_add(const Tensor& x, const Shape& shape, std::int64_t axis, const Tensor& indices) {
  detail::require_values("index_add", x, indices);
  const int a = normalize_axis(axis, shape.size(), "index_add");
  return record("index_add", kernels::index_add(shape, a, indices, x),
                wrt(x, [a, indices](const Tensor& g) { return index_select(g, a, indices); }));
}

Tensor gather(const Tensor& x, std::int64_t axis, const Tensor& indices) {
  detail::require_values("gather", x, indices);
  const int a = normalize_axis(axis, x.rank(), "gather");
  return record("gather", kernels::gather(x, a, indices),
                wrt(x, [shape = x.shape(), a, indices](const Tensor& g) {
                  return scatter_add(kernels::full(shape, 0, g.dtype()), a, indices, g);
                }));
}

Tensor scatter_add(const Tensor& x, std::int64_t axis, const Tensor& indices, const Tensor& values) {
  detail::require_values("scatter_add", x, indices, values);
  const int a = normalize_axis(axis, x.rank(), "scatter_add");
  return record("scatter_add", kernels::scatter_add(x, a, indices, values), wrt(x, Identity{}),
                wrt(values, [a, indices](const Tensor& g) { return gather(g, a, indices); }));
}

Tensor one_hot(const Tensor& indices, std::int64_t classes, DType dtype) {
  detail::require_values("one_hot", indices);
  return kernels::one_hot(indices, classes, dtype);
}

}  // namespace rill
