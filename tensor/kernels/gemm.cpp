#include "rill/tensor/kernels/gemm.h"

#include <array>

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

void multiply(const Product<float>& product) {
  is_tiny(product) ? multiply_plainly(product) : available.front().float32(product);
}

void multiply(const Product<double>& product) {
  is_tiny(product) ? multiply_plainly(product) : available.front().float64(product);
}

void multiply(const RoundedProduct& product) { available.front().bfloat16(product); }

}  // namespace rill::gemm
