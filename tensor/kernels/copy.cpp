#include "rill/tensor/kernels/copy.h"

#include <algorithm>
#include <array>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/dispatch.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/rows.h"

namespace rill::kernels {

using detail::TensorAccess;
using simd::Row;

namespace {

template <class T>
void add_row(const void*, const Row& row) {
  for (std::int64_t at = 0; at < row.count; at += simd::Packet<T>::width) {
    const std::int64_t left = row.count - at;
    simd::store<T>(row, 2, at, left, simd::load<T>(row, 1, at, left) + simd::load<T>(row, 0, at, left));
  }
}

template <class To, class From>
To converted(From value, const char* operation) {
  if constexpr (std::same_as<To, std::int64_t> && !std::same_as<From, std::int64_t>) {
    // 2^63 is the first value beyond; the comparison is false for NaN.
    if (!(value >= From(-9223372036854775808.0) && value < From(9223372036854775808.0)))
      throw ValueError(fmt::format("{}: int64 cannot hold {}", operation, value));
  }
  return static_cast<To>(value);
}

template <class From, class To>
void cast_row(const void*, const Row& row) {
  const From* from = static_cast<const From*>(row.data[0]);
  To* to = static_cast<To*>(row.data[1]);
  if (row.step[0] == 0) {
    std::fill_n(to, row.count, converted<To>(*from, "cast"));
    return;
  }
  for (std::int64_t i = 0; i < row.count; ++i) to[i] = converted<To>(from[i], "cast");
}

void check_target(const Tensor& source, const Tensor& target, const char* operation) {
  if (source.dtype() != target.dtype())
    throw DTypeError(fmt::format("{}: {} into {}: the dtypes differ", operation, name(source.dtype()),
                                 name(target.dtype())));
  if (source.shape() == target.shape()) return;
  if (!(broadcast_shapes(source.shape(), target.shape(), operation) == target.shape()))
    throw ShapeError(fmt::format("{}: shape {} does not broadcast to {}", operation,
                                 to_string(source.shape()), to_string(target.shape())));
}

}  // namespace

Tensor copy(const Tensor& x) {
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  copy_into(x, out);
  return out;
}

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : copy(x); }

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype && !TensorAccess::body(x).weak) return x;
  const std::array<Tensor, 1> inputs{x};
  Tensor out = simd::make_output(inputs, x.shape(), dtype);
  const std::array<Tensor, 2> operands{x, out};
  with_type(x.dtype(), [&](auto from) {
    with_type(dtype, [&](auto to) {
      simd::run(x.shape(), operands, 1, &cast_row<decltype(from), decltype(to)>, nullptr);
    });
  });
  return out;
}

void copy_into(const Tensor& source, const Tensor& target) {
  check_target(source, target, "copy_into");
  simd::copy_elements(source.shape() == target.shape() ? source : expand(source, target.shape()), target);
}

void add_into(const Tensor& source, const Tensor& target) {
  check_target(source, target, "add_into");
  const std::array<Tensor, 3> operands{source, target, target};
  with_type(target.dtype(),
            [&](auto type) { simd::run(target.shape(), operands, 2, &add_row<decltype(type)>, nullptr); });
}

std::int64_t whole(double value, const char* operation) {
  const auto number = converted<std::int64_t>(value, operation);
  if (static_cast<double>(number) != value)
    throw ValueError(fmt::format("{}: int64 cannot hold {}, which is not a whole number", operation, value));
  return number;
}

void fill(const Tensor& target, double value) { copy_into(full({}, value, target.dtype()), target); }

Tensor full(const Shape& shape, double value, DType dtype) {
  Tensor scalar = Tensor::empty({}, dtype);
  with_type(dtype, [&](auto type) {
    *TensorAccess::raw<decltype(type)>(scalar) = element<decltype(type)>(value, "full");
  });
  if (shape.empty()) return scalar;
  Tensor out = Tensor::empty(shape, dtype);
  copy_into(scalar, out);
  return out;
}

}  // namespace rill::kernels
