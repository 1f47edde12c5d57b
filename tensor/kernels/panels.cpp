#include "rill/tensor/kernels/panels.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "rill/tensor/threads.h"

namespace rill::gemm {

using detail::Storage;
using detail::TensorAccess;

// A panel about 256 wide is read at full speed and stays in a core's second-level cache; an even number of them keeps
// two threads busy; kernels are fastest at multiples of 16.
Panels::Panels(std::int64_t all) : columns(all) {
  constexpr std::int64_t widest = 256, narrowest = 96;
  const std::int64_t wanted = all < narrowest ? 1 : 2 * ((all + 2 * widest - 1) / (2 * widest));
  width = ((all + wanted - 1) / wanted + 15) / 16 * 16;
  if (wanted == 1) width = all;
  count = (all + width - 1) / width;
}

template <class T>
void copy_dense(const Matrix<T>& from, std::int64_t rows, std::int64_t columns, T* to) {
  if (!from.transposed) {
    for (std::int64_t i = 0; i < rows; ++i) std::copy_n(from.data + i * from.stride, columns, to + i * columns);
    return;
  }
  constexpr std::int64_t tile = 64 / sizeof(T);
  for (std::int64_t r = 0; r < rows; r += tile)
    for (std::int64_t c = 0; c < columns; c += tile)
      for (std::int64_t j = c; j < std::min(c + tile, columns); ++j)
        for (std::int64_t i = r; i < std::min(r + tile, rows); ++i)
          to[i * columns + j] = from.data[j * from.stride + i];
}

namespace {

/// The packed forms of one storage.
class Packs final : public detail::Derived {
 public:
  ~Packs() override {
    for (const auto& entry : entries_) detail::deallocate(entry.data, entry.bytes);
  }

  template <class T>
  const T* find_or_pack(const Matrix<T>& matrix, std::int64_t k, std::int64_t n) {
    const Entry wanted{matrix.data, matrix.stride, matrix.transposed, sizeof(T), k, n, nullptr, 0};
    std::lock_guard lock(mutex_);
    for (const auto& entry : entries_)
      if (entry.same_view(wanted)) return static_cast<const T*>(entry.data);
    if (entries_.size() == most_entries) return nullptr;
    Entry entry = wanted;
    entry.bytes = static_cast<std::size_t>(k * n) * sizeof(T);
    entry.data = detail::allocate(entry.bytes);
    entries_.push_back(entry);
    pack(matrix, k, n, static_cast<T*>(entry.data));
    return static_cast<const T*>(entry.data);
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

  template <class T>
  static void pack(const Matrix<T>& matrix, std::int64_t k, std::int64_t n, T* to) {
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

template <class T>
const T* packed_panels(const Tensor& b, const Matrix<T>& matrix, std::int64_t k, std::int64_t n) {
  const auto& body = TensorAccess::body(b);
  if (!body.reused || k * n < 1024) return nullptr;
  if (!matrix.transposed && matrix.stride == n && Panels(n).count == 1) return nullptr;
  Storage& storage = *body.storage;
  detail::Derived* derived = storage.derived();
  if (!derived) derived = storage.set_derived(new Packs);
  auto* packs = dynamic_cast<Packs*>(derived);
  return packs ? packs->find_or_pack(matrix, k, n) : nullptr;
}

template void copy_dense(const Matrix<float>&, std::int64_t, std::int64_t, float*);
template void copy_dense(const Matrix<double>&, std::int64_t, std::int64_t, double*);
template const float* packed_panels(const Tensor&, const Matrix<float>&, std::int64_t, std::int64_t);
template const double* packed_panels(const Tensor&, const Matrix<double>&, std::int64_t, std::int64_t);

}  // namespace rill::gemm
