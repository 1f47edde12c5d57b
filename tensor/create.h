#pragma once

#include <initializer_list>

#include "rill/tensor/tensor.h"

namespace rill {

Tensor zeros(const Shape& shape, DType dtype = DType::float32);
Tensor ones(const Shape& shape, DType dtype = DType::float32);
Tensor full(const Shape& shape, double value, DType dtype = DType::float32);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
/// start, start + step, ... before stop. Throws ValueError for a step of 0.
Tensor arange(double start, double stop, double step = 1, DType dtype = DType::float32);
/// 0 .. n-1
Tensor arange(std::int64_t n, DType dtype = DType::int64);
Tensor eye(std::int64_t n, DType dtype = DType::float32);

// tensor({1, 2, 3}), tensor({{1, 2}, {3, 4}}), tensor({{{...}}}); throws ShapeError for ragged rows.
Tensor tensor(std::initializer_list<double> values, DType dtype = DType::float32);
Tensor tensor(std::initializer_list<std::initializer_list<double>> values, DType dtype = DType::float32);
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<double>>> values,
              DType dtype = DType::float32);

}  // namespace rill
