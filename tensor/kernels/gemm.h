#pragma once

// The one seam between matrix products and the libraries that compute them. A backend multiplies two matrices
// on the calling thread; everything above it (cutting, threads, packing) is Rill's own and the same for all
// backends.

#include <cstdint>
#include <span>

namespace rill::gemm {

/// A matrix as backends read it: dense rows `stride` elements apart, or where it is transposed, dense
/// columns.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t stride;
  bool transposed = false;

  Matrix transpose() const { return {data, stride, !transposed}; }
  /// The part of it that begins at this row and column.
  Matrix from(std::int64_t row, std::int64_t column) const {
    return {data + (transposed ? column * stride + row : row * stride + column), stride, transposed};
  }
};

/// c = a x b, or c += a x b where it accumulates; a [m, k], b [k, n], c [m, n] with dense rows. No size is 0,
/// and a stride is never less than the length of what is dense.
template <class T>
struct Product {
  std::int64_t m, n, k;
  Matrix<T> a, b;
  T* c;
  std::int64_t c_stride;
  bool accumulate = false;
};

/// The upper half of a float32.
struct Bfloat16 {
  std::uint16_t bits;
};

/// The same of elements rounded to bfloat16 and summed in float32; b lies in blocks (see bfloat16.h), c is
/// dense, and where there is a bias [n], each row has it added.
struct RoundedProduct {
  std::int64_t m, n, k;
  Matrix<Bfloat16> a;
  const std::uint32_t* b;
  float* c;
  bool accumulate = false;
  const float* bias = nullptr;
};

struct Backend {
  const char* name;
  void (*float32)(const Product<float>&);
  void (*float64)(const Product<double>&);
  void (*bfloat16)(const RoundedProduct&);
};

/// The backends of this build; the first is the one in use.
std::span<const Backend> backends();

/// Whether products of T of this size, or parts of them, run oneDNN's generated code. While that runs the
/// stack pointer may point to data, over which a signal handler would write: the thread must live under
/// BlockSignals, which costs two calls of the system, so they are for a whole product rather than for each
/// `multiply`. The pool's threads always do.
template <class T>
bool runs_generated_code(std::int64_t m, std::int64_t n, std::int64_t k);

/// A product whose sums are so long that rounding would be felt: the backend multiplies pieces of it, which
/// are added up in double. The longest with few sums are double all through.
void multiply_long(const Backend& backend, const Product<float>& product);

/// Products so small that a call of a library costs more than they do go through a plain loop; float32 ones
/// with k above 2^14, or above 2^10 where a or b is a vector, through multiply_long.
void multiply(const Product<float>& product);
void multiply(const Product<double>& product);
void multiply(const RoundedProduct& product);

void multiply_with_eigen(const Product<float>& product);
void multiply_with_eigen(const Product<double>& product);
void multiply_with_eigen(const RoundedProduct& product);  ///< as float32
void multiply_with_onednn(const Product<float>& product);
void multiply_with_onednn(const RoundedProduct& product);  ///< with Eigen where the processor has no bfloat16

}  // namespace rill::gemm
