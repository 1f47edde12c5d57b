// GCC 12 takes the undefined lanes of its own intrinsics for uninitialised variables.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>

#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/kernels/scratch.h"

namespace rill::gemm {
namespace {

template <class T, int Order>
using Map = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>, Eigen::Unaligned,
                       Eigen::OuterStride<>>;
template <class T, int Order>
using ConstMap = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>, Eigen::Unaligned,
                            Eigen::OuterStride<>>;

template <class T, class A, class B>
void multiply_mapped(const Product<T>& p, const A& a, const B& b) {
  // A vector product has its own kernels, which Eigen takes only where the type says that it is one.
  Map<T, Eigen::RowMajor> c(p.c, p.m, p.n, Eigen::OuterStride<>(p.c_stride));
  if (!p.accumulate) c.setZero();
  if (p.n == 1)
    c.col(0).noalias() += a * b.col(0);
  else if (p.m == 1)
    c.row(0).noalias() += a.row(0) * b;
  else
    c.noalias() += a * b;
}

template <class T, class A>
void multiply_with_right(const Product<T>& p, const A& a) {
  const Eigen::OuterStride<> stride(p.b.stride);
  if (p.b.transposed)
    multiply_mapped(p, a, ConstMap<T, Eigen::ColMajor>(p.b.data, p.k, p.n, stride));
  else
    multiply_mapped(p, a, ConstMap<T, Eigen::RowMajor>(p.b.data, p.k, p.n, stride));
}

template <class T>
void multiply_any(const Product<T>& p) {
  const Eigen::OuterStride<> stride(p.a.stride);
  if (p.a.transposed)
    multiply_with_right(p, ConstMap<T, Eigen::ColMajor>(p.a.data, p.m, p.k, stride));
  else
    multiply_with_right(p, ConstMap<T, Eigen::RowMajor>(p.a.data, p.m, p.k, stride));
}

/// Copies the elements of a matrix [rows, columns] in the order in which they lie.
Matrix<float> widen(const Matrix<Bfloat16>& from, std::int64_t rows, std::int64_t columns, float* to) {
  const std::int64_t lines = from.transposed ? columns : rows, length = from.transposed ? rows : columns;
  for (std::int64_t i = 0; i < lines; ++i)
    for (std::int64_t j = 0; j < length; ++j) to[i * length + j] = to_float(from.data[i * from.stride + j]);
  return {to, length, from.transposed};
}

}  // namespace

void multiply_with_eigen(const Product<float>& product) { multiply_any(product); }
void multiply_with_eigen(const Product<double>& product) { multiply_any(product); }

void multiply_with_eigen(const Product<Bfloat16>& p) {
  const Scratch<float> a(p.m * p.k), b(p.k * p.n);
  multiply_any(Product<float>{p.m, p.n, p.k, widen(p.a, p.m, p.k, a.data()), widen(p.b, p.k, p.n, b.data()),
                              p.c, p.c_stride, p.accumulate});
}

}  // namespace rill::gemm
