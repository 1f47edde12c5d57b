#include "rill/tensor/create.h"

#include <cmath>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/views.h"

namespace rill {
namespace {

Tensor from_doubles(const std::vector<double>& values, const Shape& shape, DType dtype) {
  return kernels::cast(Tensor::from(values, shape), dtype);
}

template <class Rows>
std::int64_t common_size(const Rows& rows) {
  const std::size_t size = rows.size() == 0 ? 0 : rows.begin()->size();
  for (const auto& row : rows)
    if (row.size() != size)
      throw ShapeError(
          fmt::format("tensor: the rows are ragged: one has {} entries, another {}", size, row.size()));
  return static_cast<std::int64_t>(size);
}

}  // namespace

Tensor zeros(const Shape& shape, DType dtype) { return kernels::full(shape, 0, dtype); }
Tensor ones(const Shape& shape, DType dtype) { return kernels::full(shape, 1, dtype); }
Tensor full(const Shape& shape, double value, DType dtype) { return kernels::full(shape, value, dtype); }
Tensor zeros_like(const Tensor& x) { return kernels::full(x.shape(), 0, x.dtype()); }
Tensor ones_like(const Tensor& x) { return kernels::full(x.shape(), 1, x.dtype()); }

Tensor arange(double start, double stop, double step, DType dtype) {
  const double length = std::ceil((stop - start) / step);
  if (step == 0 || !std::isfinite(length))
    throw ValueError(fmt::format("arange: there is no range from {} to {} by {}", start, stop, step));
  std::vector<double> values(length > 0 ? static_cast<std::size_t>(length) : 0);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<double>(i) * step;
  return from_doubles(values, {static_cast<std::int64_t>(values.size())}, dtype);
}

Tensor arange(std::int64_t n, DType dtype) { return arange(0, static_cast<double>(n), 1, dtype); }

Tensor eye(std::int64_t n, DType dtype) {
  Tensor out = zeros({n, n}, dtype);
  if (n > 0) {
    const Tensor diagonal = detail::TensorAccess::view(out, 0, {n}, {n + 1});
    kernels::fill(diagonal, 1);
  }
  return out;
}

Tensor tensor(std::initializer_list<double> values, DType dtype) {
  return from_doubles(values, {static_cast<std::int64_t>(values.size())}, dtype);
}

Tensor tensor(std::initializer_list<std::initializer_list<double>> values, DType dtype) {
  const std::int64_t columns = common_size(values);
  std::vector<double> flat;
  for (const auto& row : values) flat.insert(flat.end(), row.begin(), row.end());
  return from_doubles(flat, {static_cast<std::int64_t>(values.size()), columns}, dtype);
}

Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<double>>> values,
              DType dtype) {
  const std::int64_t rows = common_size(values);
  const std::int64_t columns = values.size() == 0 ? 0 : common_size(*values.begin());
  std::vector<double> flat;
  for (const auto& matrix : values) {
    if (common_size(matrix) != columns)
      throw ShapeError(fmt::format("tensor: the rows are ragged: one has {} entries, another {}", columns,
                                   common_size(matrix)));
    for (const auto& row : matrix) flat.insert(flat.end(), row.begin(), row.end());
  }
  return from_doubles(flat, {static_cast<std::int64_t>(values.size()), rows, columns}, dtype);
}

}  // namespace rill
