#include "rill/autograd/ops/matmul.h"

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/ops/in_place.h"
#include "rill/autograd/record.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/matmul.h"
#include "rill/tensor/kernels/views.h"

namespace rill {

namespace {

/// All but the last axis as one.
Shape rows_shape(const Shape& shape) {
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return {rows, shape.back()};
}

Tensor rows(const Tensor& x) { return reshape(x, rows_shape(x.shape())); }

/// The rule of a weight matrix that `a` was multiplied by.
auto weight_rule(const Tensor& a) {
  return [a](const Tensor& g) { return Product{rows(a), rows(g)}; };
}

/// The rule of what was multiplied by a weight matrix `b`.
auto input_rule(const Tensor& b) {
  return [b](const Tensor& g) { return Factors{g, transpose(b)}; };
}

/// a [..., m, k] x b [k]
Tensor matrix_vector(const Tensor& a, const Tensor& b) {
  return record("matmul", kernels::matmul(a, b),
                wrt(a, [b](const Tensor& g) { return unsqueeze(g, -1) * b; }),
                wrt(b, [a](const Tensor& g) { return matmul(reshape(g, {g.count()}), rows(a)); }));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  detail::require_values("matmul", a, b);
  if (a.rank() == 0 || b.rank() == 0)
    throw ShapeError(fmt::format("matmul: {} x {}: a scalar has no rows and columns; use *",
                                 to_string(a.shape()), to_string(b.shape())));
  if (b.rank() == 1) return matrix_vector(a, b);
  if (b.rank() == 2)
    return record("matmul", kernels::matmul(a, b), wrt(a, input_rule(b)), wrt(b, weight_rule(a)));
  if (a.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b), -2);
  return record("matmul", kernels::matmul(a, b),
                wrt(a, [b](const Tensor& g) { return matmul(g, transpose(b)); }),
                wrt(b, [a](const Tensor& g) { return matmul(transpose(a), g); }));
}

Tensor matmul_add(const Tensor& a, const Tensor& b, Tensor c) {
  detail::require_values("matmul_add", a, b, c);
  if (a.rank() == 0 || b.rank() != 2 || a.shape().back() != b.shape()[0])
    throw ShapeError(fmt::format("matmul_add: {} x {}: expected [..., k] x [k, n]", to_string(a.shape()),
                                 to_string(b.shape())));
  Shape shape = a.shape();
  shape.back() = b.shape()[1];
  if (!(broadcast_shapes(shape, c.shape(), "matmul_add") == shape))
    throw ShapeError(fmt::format("matmul_add: {} cannot be added to a product of shape {}",
                                 to_string(c.shape()), to_string(shape)));
  Tensor value;
  if (a.rank() == 2 && detail::may_write_over(c, shape, a.dtype())) {
    kernels::add_matmul(a, b, c);
    value = detail::written_over(c);
  } else if (a.rank() == 2) {
    value = kernels::matmul_add(a, b, c);
  } else {
    const bool one_for_all_rows = c.rank() <= 1;
    const Tensor addend =
        one_for_all_rows ? c : kernels::reshape(kernels::expand(c, shape), rows_shape(shape));
    value =
        kernels::reshape(kernels::matmul_add(kernels::reshape(a, rows_shape(a.shape())), b, addend), shape);
  }
  return record("matmul_add", std::move(value), wrt(a, input_rule(b)), wrt(b, weight_rule(a)),
                wrt(c, Identity{}));
}

Tensor outer(const Tensor& a, const Tensor& b) {
  detail::require_values("outer", a, b);
  if (a.rank() != 1 || b.rank() != 1)
    throw ShapeError(fmt::format("outer: expected two vectors, got {} and {}", to_string(a.shape()),
                                 to_string(b.shape())));
  return unsqueeze(a, 1) * b;
}

}  // namespace rill
