#include <algorithm>
#include <array>
#include <cstring>

#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/rows.h"
#include "rill/tensor/threads.h"

namespace rill::simd {

using kernels::Layout;
using rill::detail::TensorAccess;

namespace {

constexpr std::int64_t elements_per_part = 16384;
constexpr std::int64_t tile = 16;

// Turns a tile whose columns are dense in `from` into dense rows. Through a buffer, because the columns of a
// large power of two apart would drive each other out of the cache.
template <class T>
void turn_tile(const T* from, std::int64_t from_column, T* to, std::int64_t to_row) {
  T buffer[tile][tile];
  for (std::int64_t j = 0; j < tile; ++j) std::memcpy(buffer[j], from + j * from_column, sizeof buffer[j]);
  for (std::int64_t i = 0; i < tile; ++i)
    for (std::int64_t j = 0; j < tile; ++j) to[i * to_row + j] = buffer[j][i];
}

// Copies a matrix of elements with any strides, in tiles that stay in the cache.
template <class T>
void copy_matrix(const T* from, std::int64_t from_row, std::int64_t from_column, T* to, std::int64_t to_row,
                 std::int64_t to_column, std::int64_t rows, std::int64_t columns) {
  if (to_column == 1 && (from_column == 0 || from_column == 1)) {
    for (std::int64_t i = 0; i < rows; ++i) {
      if (from_column == 0)
        std::fill_n(to + i * to_row, columns, from[i * from_row]);
      else
        std::copy_n(from + i * from_row, columns, to + i * to_row);
    }
    return;
  }
  for (std::int64_t r = 0; r < rows; r += tile)
    for (std::int64_t c = 0; c < columns; c += tile) {
      if (from_row == 1 && to_column == 1 && r + tile <= rows && c + tile <= columns) {
        turn_tile(from + r + c * from_column, from_column, to + r * to_row + c, to_row);
        continue;
      }
      for (std::int64_t i = r; i < std::min(r + tile, rows); ++i)
        for (std::int64_t j = c; j < std::min(c + tile, columns); ++j)
          to[i * to_row + j * to_column] = from[i * from_row + j * from_column];
    }
}

template <class T>
void copy_vector(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride, std::int64_t n) {
  rill::detail::parallel_for(n, elements_per_part, [&](std::int64_t begin, std::int64_t end) {
    copy_matrix(from + begin * from_stride, 0, from_stride, to + begin * to_stride, 0, to_stride, 1,
                end - begin);
  });
}

template <class T>
void copy_elements_of(const Tensor& from, const Tensor& to) {
  const T* source = TensorAccess::data<T>(from);
  T* target = TensorAccess::raw<T>(to);
  if (from.is_contiguous() && to.is_contiguous()) return copy_vector(source, 1, target, 1, to.count());

  const std::array<Tensor, 2> operands{from, to};
  const Layout layout = kernels::collapse(to.shape(), operands, kernels::memory_order(to.strides()));
  const Dims &a = layout.strides[0], &b = layout.strides[1];
  const int outer = layout.sizes.size() - 2;
  if (outer < 0) return copy_vector(source, a[0], target, b[0], layout.sizes[0]);

  const std::int64_t rows = layout.sizes[outer], columns = layout.sizes[outer + 1];
  std::int64_t matrices = 1;
  for (int i = 0; i < outer; ++i) matrices *= layout.sizes[i];
  // Tall matrices are cut, so that there is something to share out, but not through a tile.
  const std::int64_t block = std::min((elements_per_part / columns / tile + 1) * tile, rows);
  const std::int64_t blocks = (rows + block - 1) / block;
  const std::int64_t grain = std::max<std::int64_t>(1, elements_per_part / (block * columns));
  rill::detail::parallel_for(matrices * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t row = unit % blocks * block;
      std::int64_t i = row * a[outer], j = row * b[outer];
      std::int64_t rest = unit / blocks;
      for (int axis = outer - 1; axis >= 0; --axis) {
        i += rest % layout.sizes[axis] * a[axis];
        j += rest % layout.sizes[axis] * b[axis];
        rest /= layout.sizes[axis];
      }
      copy_matrix(source + i, a[outer], a[outer + 1], target + j, b[outer], b[outer + 1],
                  std::min(block, rows - row), columns);
    }
  });
}

}  // namespace

void copy_elements(const Tensor& from, const Tensor& to) {
  if (to.count() == 0) return;
  switch (to.dtype()) {
    case DType::float32:
      return copy_elements_of<float>(from, to);
    case DType::float64:
      return copy_elements_of<double>(from, to);
    case DType::int64:
      return copy_elements_of<std::int64_t>(from, to);
  }
}

}  // namespace rill::simd
