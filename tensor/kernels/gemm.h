#pragma once

// The one seam between matrix products and the libraries that compute them. A backend multiplies two matrices
// on the calling thread; everything above it (cutting, threads, packing) is Rill's own and the same for all
// backends.

#include <cstdint>
#include <span>
#include <type_traits>

#include "rill/tensor/kernels/bfloat16.h"

namespace rill::gemm {

/// A matrix as backends read it: dense rows `stride` elements apart, or where it is transposed, dense
/// columns.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t stride;
  bool transposed = false;

  /// The part of it that begins at this row and column.
  Matrix from(std::int64_t row, std::int64_t column) const {
    return {data + (transposed ? column * stride + row : row * stride + column), stride, transposed};
  }
};

/// What products of such elements are summed in.
template <class T>
using Sum = std::conditional_t<std::is_same_v<T, Bfloat16>, float, T>;

/// c = a x b, or c += a x b where it accumulates; a [m, k], b [k, n], c [m, n] with dense rows. No size is 0,
/// and a stride is never less than the length of what is dense.
template <class T>
struct Product {
  std::int64_t m, n, k;
  Matrix<T> a, b;
  Sum<T>* c;
  std::int64_t c_stride;
  bool accumulate = false;
};

struct Backend {
  const char* name;
  void (*float32)(const Product<float>&);
  void (*float64)(const Product<double>&);
  void (*bfloat16)(const Product<Bfloat16>&);
};

/// The backends of this build; the first is the one in use.
std::span<const Backend> backends();

/// Products so small that a call of a library costs more than they do go through a plain loop.
void multiply(const Product<float>& product);
void multiply(const Product<double>& product);
void multiply(const Product<Bfloat16>& product);

void multiply_with_eigen(const Product<float>& product);
void multiply_with_eigen(const Product<double>& product);
void multiply_with_eigen(const Product<Bfloat16>& product);  ///< as float32
void multiply_with_onednn(const Product<float>& product);
void multiply_with_onednn(
    const Product<Bfloat16>& product);  ///< with Eigen where the processor has no bfloat16

}  // namespace rill::gemm
