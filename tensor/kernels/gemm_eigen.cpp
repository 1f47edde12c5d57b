// GCC 12 takes the undefined lanes of its own intrinsics for uninitialised variables.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>

#include "rill/tensor/kernels/bfloat16.h"
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

}  // namespace

void multiply_with_eigen(const Product<float>& product) { multiply_any(product); }
void multiply_with_eigen(const Product<double>& product) { multiply_any(product); }

void multiply_with_eigen(const RoundedProduct& p) {
  const Scratch<float> a(p.m * p.k), b(p.k * p.n);
  const std::int64_t lines = p.a.transposed ? p.k : p.m, length = p.a.transposed ? p.m : p.k;
  for (std::int64_t i = 0; i < lines; ++i)
    for (std::int64_t j = 0; j < length; ++j)
      a.data()[i * length + j] = to_float(p.a.data[i * p.a.stride + j]);
  const std::int64_t column_of_blocks = blocks::count(p.k, blocks::columns);
  for (std::int64_t i = 0; i < p.k; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      const std::uint32_t word =
          p.b[j / blocks::columns * column_of_blocks + i / 2 * blocks::columns + j % blocks::columns];
      b.data()[i * p.n + j] = std::bit_cast<float>(i % 2 == 0 ? word << 16 : word & 0xffff0000u);
    }
  multiply_any(Product<float>{
      p.m, p.n, p.k, {a.data(), length, p.a.transposed}, {b.data(), p.n}, p.c, p.n, p.accumulate});
  if (p.bias)
    Map<float, Eigen::RowMajor>(p.c, p.m, p.n, Eigen::OuterStride<>(p.n)).rowwise() +=
        Eigen::Map<const Eigen::RowVectorXf>(p.bias, p.n);
}

}  // namespace rill::gemm
