#include "rill/tensor/kernels/panels.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <type_traits>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include "rill/tensor/precision.h"
#include "rill/tensor/threads.h"

namespace rill::gemm {

using detail::Storage;
using detail::TensorAccess;

// A panel about 256 wide is read at full speed and stays in a core's second-level cache; an even number of
// them keeps two threads busy; kernels are fastest at multiples of 16.
Panels::Panels(std::int64_t all) : columns(all) {
  constexpr std::int64_t widest = 256, narrowest = 96;
  const std::int64_t wanted = all < narrowest ? 1 : 2 * ((all + 2 * widest - 1) / (2 * widest));
  width = ((all + wanted - 1) / wanted + 15) / 16 * 16;
  if (wanted == 1) width = all;
  count = (all + width - 1) / width;
}

namespace {

template <class T>
void copy_row(const T* from, std::int64_t count, T* to) {
  std::copy_n(from, count, to);
}
void copy_row(const float* from, std::int64_t count, Bfloat16* to) {
  std::int64_t i = 0;
#ifdef __AVX512BF16__
  for (; i + 16 <= count; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                        (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
#endif
  for (; i < count; ++i) to[i] = round_to_bfloat16(from[i]);
}

/// A tile is turned in the first-level cache and then copied row by row.
template <class To, class From>
void copy_transposed(const Matrix<From>& from, std::int64_t rows, std::int64_t columns, To* to) {
  constexpr std::int64_t tall = 16, wide = 64;
  From tile[tall][wide];
  for (std::int64_t r = 0; r < rows; r += tall)
    for (std::int64_t c = 0; c < columns; c += wide) {
      const std::int64_t height = std::min(tall, rows - r), width = std::min(wide, columns - c);
      for (std::int64_t j = 0; j < width; ++j)
        for (std::int64_t i = 0; i < height; ++i) tile[i][j] = from.data[(c + j) * from.stride + r + i];
      for (std::int64_t i = 0; i < height; ++i) copy_row(tile[i], width, to + (r + i) * columns + c);
    }
}

}  // namespace

template <class To, class From>
void copy_dense(const Matrix<From>& from, std::int64_t rows, std::int64_t columns, To* to) {
  if (from.transposed) return copy_transposed(from, rows, columns, to);
  for (std::int64_t i = 0; i < rows; ++i) copy_row(from.data + i * from.stride, columns, to + i * columns);
}

Matrix<Bfloat16> round_rows(const Matrix<float>& from, std::int64_t rows, std::int64_t columns,
                            Bfloat16* to) {
  const std::int64_t lines = from.transposed ? columns : rows, length = from.transposed ? rows : columns;
  copy_dense(Matrix<float>{from.data, from.stride}, lines, length, to);
  return {to, length, from.transposed};
}

bool rounds_operands(std::int64_t rows, std::int64_t columns) {
  return matmul_precision() == Precision::bfloat16 && rows * columns >= 4096;
}

namespace {

/// The packed forms of one storage.
class Packs final : public detail::Derived {
 public:
  ~Packs() override {
    for (const auto& entry : entries_) detail::deallocate(entry.data, entry.bytes);
  }

  template <class To, class From>
  const To* find_or_pack(const Matrix<From>& matrix, std::int64_t k, std::int64_t n) {
    const Entry wanted{matrix.data, matrix.stride, matrix.transposed, sizeof(To), k, n, nullptr, 0};
    std::lock_guard lock(mutex_);
    for (const auto& entry : entries_)
      if (entry.same_view(wanted)) return static_cast<const To*>(entry.data);
    if (entries_.size() == most_entries) return nullptr;
    Entry entry = wanted;
    entry.bytes = static_cast<std::size_t>(k * n) * sizeof(To);
    entry.data = detail::allocate(entry.bytes);
    entries_.push_back(entry);
    pack(matrix, k, n, static_cast<To*>(entry.data));
    return static_cast<const To*>(entry.data);
  }

 private:
  // A weight is read as it is and transposed; more views than this of one storage are not worth their memory.
  static constexpr std::size_t most_entries = 8;

  struct Entry {
    const void* source;
    std::int64_t stride;
    bool transposed;
    std::size_t element;
    std::int64_t k, n;
    void* data;
    std::size_t bytes;
    bool same_view(const Entry& o) const {
      return source == o.source && stride == o.stride && transposed == o.transposed && element == o.element &&
             k == o.k && n == o.n;
    }
  };

  template <class To, class From>
  static void pack(const Matrix<From>& matrix, std::int64_t k, std::int64_t n, To* to) {
    const Panels panels(n);
    constexpr std::int64_t rows = 64;
    const std::int64_t blocks = (k + rows - 1) / rows;
    const auto block = [&](std::int64_t unit) {
      const std::int64_t panel = unit / blocks, row = unit % blocks * rows;
      copy_dense(matrix.from(row, panels.begin(panel)), std::min(rows, k - row), panels.size(panel),
                 to + k * panels.begin(panel) + row * panels.size(panel));
    };
    if (k * n < 16384)
      for (std::int64_t unit = 0; unit < panels.count * blocks; ++unit) block(unit);
    else
      detail::parallel_parts(panels.count * blocks, block);
  }

  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace

template <class To, class From>
const To* packed_panels(const Tensor& b, const Matrix<From>& matrix, std::int64_t k, std::int64_t n) {
  const auto& body = TensorAccess::body(b);
  if (!body.reused || k * n < 1024) return nullptr;
  if (std::is_same_v<To, From> && !matrix.transposed && matrix.stride == n && Panels(n).count == 1)
    return nullptr;
  Storage& storage = *body.storage;
  detail::Derived* derived = storage.derived();
  if (!derived) derived = storage.set_derived(new Packs);
  auto* packs = dynamic_cast<Packs*>(derived);
  return packs ? packs->find_or_pack<To>(matrix, k, n) : nullptr;
}

template void copy_dense(const Matrix<float>&, std::int64_t, std::int64_t, float*);
template void copy_dense(const Matrix<double>&, std::int64_t, std::int64_t, double*);
template void copy_dense(const Matrix<float>&, std::int64_t, std::int64_t, Bfloat16*);
template const float* packed_panels(const Tensor&, const Matrix<float>&, std::int64_t, std::int64_t);
template const double* packed_panels(const Tensor&, const Matrix<double>&, std::int64_t, std::int64_t);
template const Bfloat16* packed_panels(const Tensor&, const Matrix<float>&, std::int64_t, std::int64_t);

}  // namespace rill::gemm
