#include "rill/tensor/kernels/gemm.h"

#include <algorithm>
#include <array>

#include "rill/tensor/kernels/scratch.h"

namespace rill::gemm {
namespace {

constexpr Backend eigen{"Eigen", multiply_with_eigen, multiply_with_eigen, multiply_with_eigen};
#ifdef RILL_HAS_ONEDNN
// oneDNN has no float64.
constexpr std::array available{
    Backend{"oneDNN", multiply_with_onednn, multiply_with_eigen, multiply_with_onednn}, eigen};
#else
constexpr std::array available{eigen};
#endif

bool is_tiny(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t limit = 512;
  return m <= limit && n <= limit && k <= limit && m * n * k <= limit;
}

template <class T>
bool is_tiny(const Product<T>& p) {
  return is_tiny(p.m, p.n, p.k);
}

template <class T>
void multiply_plainly(const Product<T>& p) {
  const std::int64_t a_row = p.a.transposed ? 1 : p.a.stride, a_column = p.a.transposed ? p.a.stride : 1;
  const std::int64_t b_row = p.b.transposed ? 1 : p.b.stride, b_column = p.b.transposed ? p.b.stride : 1;
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      T sum = p.accumulate ? p.c[i * p.c_stride + j] : T(0);
      for (std::int64_t l = 0; l < p.k; ++l)
        sum += p.a.data[i * a_row + l * a_column] * p.b.data[l * b_row + j * b_column];
      p.c[i * p.c_stride + j] = sum;
    }
}

// Backends add up the elements of a long sum block by block in float32, and those of a product with a vector
// one by one.
bool is_long(const Product<float>& p) {
  constexpr std::int64_t long_sum = 1 << 14, long_vector = 1 << 10;
  return p.k > (p.m == 1 || p.n == 1 ? long_vector : long_sum);
}

/// `lines` dense lines of `length` elements each in double, one after the other.
void widen(const Matrix<float>& from, std::int64_t lines, std::int64_t length, double* to) {
  for (std::int64_t i = 0; i < lines; ++i) std::copy_n(from.data + i * from.stride, length, to + i * length);
}

/// The product of `depth` columns of a and rows of b in double, on top of `total` [m, n].
void add_in_double(const Product<float>& p, std::int64_t begin, std::int64_t depth, double* total) {
  const Scratch<double> a(p.m * depth), b(depth * p.n);
  const Matrix<float> left = p.a.from(0, begin), right = p.b.from(begin, 0);
  const std::int64_t a_length = left.transposed ? p.m : depth, b_length = right.transposed ? depth : p.n;
  widen(left, left.transposed ? depth : p.m, a_length, a.data());
  widen(right, right.transposed ? p.n : depth, b_length, b.data());
  available.front().float64({p.m,
                             p.n,
                             depth,
                             {a.data(), a_length, left.transposed},
                             {b.data(), b_length, right.transposed},
                             total,
                             p.n,
                             true});
}

/// The same in float32, as the backend multiplies.
void add_in_float(const Backend& backend, const Product<float>& p, std::int64_t begin, std::int64_t depth,
                  double* total) {
  const Scratch<float> part(p.m * p.n);
  backend.float32({p.m, p.n, depth, p.a.from(0, begin), p.b.from(begin, 0), part.data(), p.n});
  for (std::int64_t i = 0; i < p.m * p.n; ++i) total[i] += static_cast<double>(part.data()[i]);
}

}  // namespace

std::span<const Backend> backends() { return available; }

template <>
bool runs_generated_code<float>(std::int64_t m, std::int64_t n, std::int64_t k) {
  return available.size() > 1 && !is_tiny(m, n, k);
}
template <>
bool runs_generated_code<double>(std::int64_t, std::int64_t, std::int64_t) {
  return false;
}
template <>
bool runs_generated_code<Bfloat16>(std::int64_t, std::int64_t, std::int64_t) {
  return available.size() > 1;
}

void multiply_long(const Backend& backend, const Product<float>& p) {
  if (is_tiny(p)) return multiply_plainly(p);
  // In double all through where there are few sums, else from piece to piece.
  constexpr std::int64_t narrow = 16, many = 1 << 14;
  const bool in_double = std::min(p.m, p.n) <= narrow && p.k > many;
  const std::int64_t piece = in_double ? 512 : 64;
  const Scratch<double> total(p.m * p.n);
  std::fill_n(total.data(), p.m * p.n, 0.0);
  for (std::int64_t begin = 0; begin < p.k; begin += piece) {
    const std::int64_t depth = std::min(piece, p.k - begin);
    if (in_double)
      add_in_double(p, begin, depth, total.data());
    else
      add_in_float(backend, p, begin, depth, total.data());
  }
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      float& c = p.c[i * p.c_stride + j];
      c = static_cast<float>(total.data()[i * p.n + j] + (p.accumulate ? static_cast<double>(c) : 0.0));
    }
}

void multiply(const Product<float>& product) {
  if (is_tiny(product))
    multiply_plainly(product);
  else if (is_long(product))
    multiply_long(available.front(), product);
  else
    available.front().float32(product);
}

void multiply(const Product<double>& product) {
  is_tiny(product) ? multiply_plainly(product) : available.front().float64(product);
}

void multiply(const RoundedProduct& product) { available.front().bfloat16(product); }

}  // namespace rill::gemm
