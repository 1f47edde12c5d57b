#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill {

Tensor zeros(const Shape& shape, DType dtype = DType::float32);
Tensor ones(const Shape& shape, DType dtype = DType::float32);
/// Throws ValueError for a value that the dtype does not hold, such as a fraction or NaN in int64.
Tensor full(const Shape& shape, double value, DType dtype = DType::float32);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
/// start, start + step, ... before stop. Throws ValueError for a step of 0, for numbers that are not finite,
/// and for an element that the dtype does not hold, such as a fraction in int64.
Tensor arange(double start, double stop, double step = 1, DType dtype = DType::float32);
/// 0 .. n-1. Throws ValueError for an n that is not a whole number.
Tensor arange(double n, DType dtype = DType::int64);
template <std::integral T>
Tensor arange(T n, DType dtype = DType::int64) {
  return arange(static_cast<double>(n), dtype);
}
Tensor eye(std::int64_t n, DType dtype = DType::float32);

namespace detail {

/// What stands in the braces of `tensor`: a number or a list of the same.
struct Literal {
  Shape shape;
  std::vector<double> values;  ///< in row-major order

  template <class T>
  requires std::integral<T> || std::floating_point<T> Literal(T number)  // NOLINT: a number is a literal
      : values{static_cast<double>(number)} {
    if (std::integral<T> && static_cast<long double>(values[0]) != static_cast<long double>(number))
      throw_inexact(static_cast<long double>(number));
  }
  Literal(std::initializer_list<Literal> list);

 private:
  [[noreturn]] static void throw_inexact(long double number);
};

/// Throws ValueError for a number that the dtype does not hold.
Tensor from_numbers(const std::vector<double>& values, const Shape& shape, DType dtype,
                    const char* operation);

}  // namespace detail

/// The numbers in braces, nested as the axes are: tensor({1, 2, 3}), tensor({{1, 2}, {3, 4}}),
/// tensor({{{...}}}); tensor({}) has shape [0]. Throws ShapeError for ragged rows, ValueError for a number
/// that the dtype does not hold, such as a fraction in int64; float32 rounds.
Tensor tensor(std::initializer_list<detail::Literal> values, DType dtype = DType::float32);
/// The same for a list that has a name.
template <std::same_as<double> T>
Tensor tensor(std::initializer_list<T> values, DType dtype = DType::float32) {
  return detail::from_numbers(std::vector<T>(values), {static_cast<std::int64_t>(values.size())}, dtype,
                              "tensor");
}

}  // namespace rill
