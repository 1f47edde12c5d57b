#include "rill/tensor/kernels/matmul_operand.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"

namespace rill::gemm {

using detail::TensorAccess;

Operand operand(const Tensor& x, Side side) {
  const int axes = std::min(x.rank(), 2);
  const int leading = x.rank() - axes;
  Operand o{x,
            Dims(x.shape().begin(), x.shape().begin() + leading),
            Dims(x.strides().begin(), x.strides().begin() + leading),
            1,
            1,
            0,
            false};
  std::int64_t row_stride = 0, column_stride = 0;
  if (axes == 2 || side == Side::right) {
    o.rows = x.shape()[leading];
    row_stride = x.strides()[leading];
  }
  if (axes == 2 || side == Side::left) {
    o.columns = x.shape().back();
    column_stride = x.strides().back();
  }
  if ((column_stride == 1 || o.columns == 1) && (row_stride >= o.columns || o.rows == 1)) {
    o.stride = o.rows == 1 ? o.columns : row_stride;
  } else if ((row_stride == 1 || o.rows == 1) && (column_stride >= o.rows || o.columns == 1)) {
    o.stride = o.columns == 1 ? o.rows : column_stride;
    o.transposed = true;
  } else if (x.count() > 0 && !(side == Side::left && repeats_zero(x))) {
    return operand(kernels::copy(x), side);
  }
  o.stride = std::max<std::int64_t>(o.stride, 1);
  return o;
}

void join_rows(Operand& x) {
  if (x.batch.empty()) return;
  std::int64_t rows = x.rows;
  bool regular = !x.transposed;
  for (int i = x.batch.size() - 1; i >= 0; --i) {
    regular = regular && (x.batch[i] == 1 || rows == 1 || x.batch_strides[i] == x.stride * rows);
    // A stack of single rows is as regular as the axis that its rows lie along.
    if (regular && rows == 1 && x.batch[i] > 1) {
      regular = x.batch_strides[i] >= x.columns;
      x.stride = regular ? x.batch_strides[i] : x.stride;
    }
    rows *= x.batch[i];
  }
  constexpr std::int64_t few = 32;
  if (!regular && x.rows >= few) return;
  if (!regular) {
    x.tensor = kernels::copy(x.tensor);
    x.stride = std::max<std::int64_t>(x.columns, 1);
    x.transposed = false;
  }
  x.rows = rows;
  x.batch = {};
  x.batch_strides = {};
}

bool repeats_zero(const Tensor& x) {
  if (x.count() < 2) return false;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (x.shape()[axis] > 1 && x.strides()[axis] != 0) return false;
  return x.dtype() == DType::float32 ? *TensorAccess::data<float>(x) == 0
                                     : x.dtype() == DType::float64 && *TensorAccess::data<double>(x) == 0;
}

void agree_on_dtype(Tensor& a, Tensor& b, const char* operation) {
  if (a.dtype() != b.dtype()) {
    if (TensorAccess::body(a).weak)
      a = kernels::cast(a, b.dtype());
    else if (TensorAccess::body(b).weak)
      b = kernels::cast(b, a.dtype());
    else
      throw DTypeError(fmt::format("{}: {} {} x {} {}: the dtypes differ; cast one", operation,
                                   name(a.dtype()), to_string(a.shape()), name(b.dtype()),
                                   to_string(b.shape())));
  }
  if (!is_floating(a.dtype()))
    throw DTypeError(fmt::format("{}: {} {} x {}: expected float32 or float64", operation, name(a.dtype()),
                                 to_string(a.shape()), to_string(b.shape())));
}

}  // namespace rill::gemm
