#pragma once

// Tensors as Eigen matrices and back. Not part of rill/rill.h, as it includes Eigen.

#include <Eigen/Core>

#include "rill/tensor/error.h"
#include "rill/tensor/tensor.h"

namespace rill {

template <Element T>
using EigenMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <Element T>
using EigenMap =
    Eigen::Map<const EigenMatrix<T>, Eigen::Unaligned, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;

/// A matrix [rows, columns] as Eigen sees it, without a copy, whatever its strides: slices and transposes
/// too. The map is valid as long as the tensor. Throws ShapeError for another rank or a stride below 0,
/// DTypeError when T is not the dtype.
template <Element T>
EigenMap<T> as_eigen(const Tensor& matrix) {
  if (matrix.rank() != 2)
    throw ShapeError("as_eigen: a tensor of shape " + to_string(matrix.shape()) +
                     "; expected [rows, columns]");
  if (matrix.dtype() != dtype_of<T>())
    throw DTypeError("as_eigen: the tensor holds " + std::string(name(matrix.dtype())) + ", not " +
                     std::string(name(dtype_of<T>())));
  if (matrix.strides()[0] < 0 || matrix.strides()[1] < 0)
    throw ShapeError("as_eigen: the tensor is a reversed view; take contiguous(x) first");
  return {detail::TensorAccess::data<T>(matrix), matrix.shape()[0], matrix.shape()[1],
          Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(matrix.strides()[0], matrix.strides()[1])};
}

/// A copy of an Eigen matrix or expression: [rows, columns].
template <class Derived>
Tensor from_eigen(const Eigen::MatrixBase<Derived>& matrix) {
  using T = typename Derived::Scalar;
  static_assert(Element<T>, "from_eigen: the scalar type is float, double or std::int64_t");
  Tensor out = Tensor::empty({matrix.rows(), matrix.cols()}, dtype_of<T>());
  Eigen::Map<EigenMatrix<T>>(detail::TensorAccess::raw<T>(out), matrix.rows(), matrix.cols()) = matrix;
  return out;
}

}  // namespace rill
