#include "rill/tensor/kernels/matmul.h"

#include <algorithm>
#include <type_traits>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/matmul_operand.h"
#include "rill/tensor/kernels/products.h"
#include "rill/tensor/kernels/views.h"

namespace rill::kernels {

using detail::TensorAccess;
using gemm::Operand;
using gemm::Side;

namespace {

template <class T>
void compute(const Operand& a, const Operand& b, const Dims& batch, const Tensor& out, const Tensor& addend,
             bool accumulate) {
  if (out.count() == 0 || (a.columns == 0 && accumulate)) return;
  if (a.columns == 0) return addend.defined() ? copy_into(addend, out) : fill(out, 0);
  gemm::Addend<T> added;
  if (addend.defined()) {
    const Tensor full = expand(addend, out.shape());
    added = {TensorAccess::data<T>(full), full.strides()[0], full.strides()[1]};
  }
  T* const c = TensorAccess::raw<T>(out);
  if constexpr (std::is_same_v<T, float>)
    if (gemm::rounds_operands(b.rows, b.columns))
      return gemm::multiply_stack_rounded(a, b, batch, c, added, accumulate);
  gemm::multiply_stack(a, b, batch, c, added, accumulate);
}

/// A `target` that holds a value is added to; if not, the product and the addend make a tensor.
Tensor product(Tensor left, Tensor right, const Tensor& addend, const Tensor& target, const char* operation) {
  const auto fail = [&](const std::string& what) {
    throw ShapeError(
        fmt::format("{}: {} x {}: {}", operation, to_string(left.shape()), to_string(right.shape()), what));
  };
  if (left.rank() == 0 || right.rank() == 0) fail("a scalar has no rows and columns; use *");
  gemm::agree_on_dtype(left, right, operation);
  Operand a = gemm::operand(left, Side::left), b = gemm::operand(right, Side::right);
  if (a.columns != b.rows) fail(fmt::format("inner sizes {} and {} differ", a.columns, b.rows));

  Shape shape = a.batch;
  if (!b.batch.empty()) {
    for (int i = a.batch.size() - 1, j = b.batch.size() - 1; i >= 0 && j >= 0; --i, --j)
      if (a.batch[i] != b.batch[j] && a.batch[i] != 1 && b.batch[j] != 1)
        fail(fmt::format("leading axes {} and {} do not broadcast", to_string(a.batch), to_string(b.batch)));
    shape = broadcast_shapes(a.batch, b.batch, operation);
  }
  if (b.batch.empty()) gemm::join_rows(a);
  const Dims batch = a.batch.empty() && b.batch.empty() ? Dims() : shape;
  if (left.rank() > 1) shape.push_back(left.shape()[left.rank() - 2]);
  if (right.rank() > 1) shape.push_back(right.shape().back());
  const bool accumulate = target.defined();
  if (gemm::repeats_zero(left))
    return accumulate ? target : expand(addend.defined() ? addend : full({}, 0, left.dtype()), shape);
  const Tensor out = accumulate ? target : Tensor::empty(shape, left.dtype());
  if (left.dtype() == DType::float32)
    compute<float>(a, b, batch, out, addend, accumulate);
  else
    compute<double>(a, b, batch, out, addend, accumulate);
  return out;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) { return product(a, b, {}, {}, "matmul"); }

Tensor matmul_add(const Tensor& a, const Tensor& b, const Tensor& c) {
  if (a.rank() != 2 || b.rank() != 2)
    throw ShapeError(fmt::format("matmul_add: {} x {}: expected two matrices", to_string(a.shape()),
                                 to_string(b.shape())));
  const Shape shape{a.shape()[0], b.shape()[1]};
  if (c.rank() > 2 || !(broadcast_shapes(shape, c.shape(), "matmul_add") == shape))
    throw ShapeError(fmt::format("matmul_add: {} cannot be added to a product of shape {}",
                                 to_string(c.shape()), to_string(shape)));
  Tensor addend = c;
  if (TensorAccess::body(c).weak) addend = cast(c, a.dtype());
  if (addend.dtype() != a.dtype())
    throw DTypeError(fmt::format("matmul_add: {} {} cannot be added to a {} product; cast one",
                                 name(c.dtype()), to_string(c.shape()), name(a.dtype())));
  return product(a, b, addend, {}, "matmul_add");
}

void add_matmul(const Tensor& a, const Tensor& b, const Tensor& c) { product(a, b, {}, c, "matmul_add"); }

const char* matmul_backend() { return gemm::backends().front().name; }

}  // namespace rill::kernels
