#include "rill/tensor/kernels/panels.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <type_traits>

#include "rill/tensor/kernels/transpose.h"
#include "rill/tensor/threads.h"

namespace rill::gemm {

using detail::Storage;
using detail::TensorAccess;

Panels Panels::whole(std::int64_t columns) {
  Panels panels;
  panels.columns_ = panels.half_ = columns;
  return panels;
}

// The widest is read at full speed and stays in a core's second-level cache.
Panels::Panels(std::int64_t columns, std::int64_t granule, std::int64_t kernel) : Panels(whole(columns)) {
  constexpr std::int64_t worth_cutting = 96, widest = 288, narrow = 112;
  if (columns < worth_cutting) return;
  half_ = ((columns + 1) / 2 + granule - 1) / granule * granule;
  const auto part_of = [](std::int64_t rest) { return rest * 9 / 16; };
  widest_ = widest / kernel * kernel;
  std::int64_t begin = 0;
  for (; part_of(half_ - begin) >= widest_; begin += widest_) ++wide_;
  in_half_ = wide_;
  for (std::int64_t width = 0; begin < half_; begin += width) {
    const std::int64_t rest = half_ - begin;
    width = rest <= narrow ? rest : (part_of(rest) + kernel - 1) / kernel * kernel;
    narrower_[static_cast<std::size_t>(in_half_++ - wide_)] = begin;
  }
  count_ = 2 * in_half_;
  while (this->begin(count_ - 1) >= columns) --count_;
}

template <class T>
void copy_rows(const Matrix<T>& from, std::int64_t rows, std::int64_t columns, T* to, std::int64_t stride) {
  if (!from.transposed) {
    for (std::int64_t i = 0; i < rows; ++i)
      std::copy_n(from.data + i * from.stride, columns, to + i * stride);
    return;
  }
  constexpr std::int64_t tile = 64 / sizeof(T);  // a line of the cache
  // Along the lines of the source, so that they are read one page after the other.
  for (std::int64_t c = 0; c < columns; c += tile)
    for (std::int64_t r = 0; r < rows; r += tile) {
      const T* part = from.data + c * from.stride + r;
      T* const target = to + r * stride + c;
      const std::int64_t height = std::min(tile, rows - r), width = std::min(tile, columns - c);
      if constexpr (std::is_same_v<T, float>)
        if (height == tile && width == tile) {
          // What is read and written next lies too far apart for the processor to foresee.
          for (std::int64_t i = 0; i < tile; ++i) {
            __builtin_prefetch(part + i * from.stride + 2 * tile);
            __builtin_prefetch(target + (2 * tile + i) * stride, 1);
          }
          constexpr std::int64_t size = sizeof(float);
          transpose_tile(part, from.stride * size, target, stride * size);
          continue;
        }
      for (std::int64_t j = 0; j < width; ++j)
        for (std::int64_t i = 0; i < height; ++i) target[i * stride + j] = part[j * from.stride + i];
    }
}

namespace {

/// Which matrix of a storage is packed, and what into.
struct View {
  const void* data;
  std::int64_t stride;
  bool transposed, rounded;
  std::int64_t k, n;
  bool operator==(const View&) const = default;
};

/// The packed forms of one storage.
class Packs final : public detail::Derived {
 public:
  ~Packs() override {
    for (const auto& entry : entries_) detail::deallocate(entry.data, entry.bytes);
  }

  /// What was packed for that view, or else what fill(data) packs now; null when there is too much already.
  template <class Fill>
  const void* find_or_pack(const View& view, std::size_t bytes, const Fill& fill) {
    std::lock_guard lock(mutex_);
    for (const auto& entry : entries_)
      if (entry.view == view) return entry.data;
    if (entries_.size() == most_entries) return nullptr;
    entries_.push_back({view, detail::allocate(bytes), bytes});
    fill(entries_.back().data);
    return entries_.back().data;
  }

 private:
  // A weight is read as it is and transposed; more views than this of one storage are not worth their memory.
  static constexpr std::size_t most_entries = 8;

  struct Entry {
    View view;
    void* data;
    std::size_t bytes;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;
};

Packs* packs_of(const Tensor& b) {
  const auto& body = TensorAccess::body(b);
  if (!body.reused || body.count < 1024 || body.exposed) return nullptr;
  detail::Derived* derived = body.storage->derived();
  if (!derived) derived = body.storage->set_derived(new Packs);
  return dynamic_cast<Packs*>(derived);
}

constexpr std::int64_t worth_threads = 16384;  // elements

}  // namespace

template <class T>
const T* packed_panels(const Tensor& b, const Matrix<T>& matrix, std::int64_t k, std::int64_t n) {
  const Panels panels = panels_of<T>(n);
  if (!matrix.transposed && matrix.stride == n && panels.count() == 1) return nullptr;
  Packs* packs = packs_of(b);
  if (!packs) return nullptr;
  const View view{matrix.data, matrix.stride, matrix.transposed, false, k, n};
  return static_cast<const T*>(
      packs->find_or_pack(view, static_cast<std::size_t>(k * n) * sizeof(T), [&](void* to) {
        detail::parallel_parts_if(k * n >= worth_threads, panels.count(), [&](std::int64_t panel) {
          const std::int64_t column = panels.begin(panel);
          const std::int64_t width = panels.size(panel);
          copy_rows(matrix.from(0, column), k, width, static_cast<T*>(to) + k * column, width);
        });
      }));
}

const std::uint32_t* packed_blocks(const Tensor& b, const Matrix<float>& matrix, std::int64_t k,
                                   std::int64_t n) {
  Packs* packs = packs_of(b);
  if (!packs) return nullptr;
  const View view{matrix.data, matrix.stride, matrix.transposed, true, k, n};
  const auto bytes = static_cast<std::size_t>(blocks::count(k, n)) * sizeof(std::uint32_t);
  return static_cast<const std::uint32_t*>(packs->find_or_pack(view, bytes, [&](void* to) {
    const Panels panels = panels_of<Bfloat16>(n);
    detail::parallel_parts_if(k * n >= worth_threads, panels.count(), [&](std::int64_t panel) {
      const std::int64_t column = panels.begin(panel);
      blocks::fill(matrix.from(0, column), 0, k, k, panels.size(panel),
                   static_cast<std::uint32_t*>(to) + blocks::count(k, column));
    });
  }));
}

template void copy_rows(const Matrix<float>&, std::int64_t, std::int64_t, float*, std::int64_t);
template void copy_rows(const Matrix<double>&, std::int64_t, std::int64_t, double*, std::int64_t);
template const float* packed_panels(const Tensor&, const Matrix<float>&, std::int64_t, std::int64_t);
template const double* packed_panels(const Tensor&, const Matrix<double>&, std::int64_t, std::int64_t);

}  // namespace rill::gemm
