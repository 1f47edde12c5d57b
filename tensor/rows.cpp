#include "rill/tensor/rows.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/threads.h"

namespace rill::simd {

using rill::detail::TensorAccess;

namespace {

constexpr std::int64_t elements_per_part = 4096;
constexpr std::size_t most_operands = 128;

// The axes of a shape from the largest stride to the smallest.
Dims memory_order(const Dims& strides) {
  Dims order(strides.size(), 0);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return strides[static_cast<int>(a)] > strides[static_cast<int>(b)];
  });
  return order;
}

bool has_repeats(const Tensor& x) {
  for (int i = 0; i < x.rank(); ++i)
    if (x.strides()[i] == 0 && x.shape()[i] > 1) return true;
  return false;
}

// The first operand that is laid out over all of `shape`, whose order of axes the loop follows.
const Tensor* leading_operand(std::span<const Tensor> operands, const Shape& shape) {
  for (const Tensor& x : operands)
    if (x.defined() && x.shape() == shape && !has_repeats(x)) return &x;
  return nullptr;
}

// The strides of x over the axes of a shape that it broadcasts to.
Dims strides_over(const Tensor& x, const Shape& shape) {
  Dims strides(shape.size(), 0);
  const int offset = shape.size() - x.rank();
  for (int i = 0; i < x.rank(); ++i)
    if (x.shape()[i] != 1) strides[offset + i] = x.strides()[i];
  return strides;
}

struct Layout {
  Dims sizes;                 // outermost first; never empty
  std::vector<Dims> strides;  // of each operand
};

// Axes that lie beside each other in every operand become one.
Layout collapse(const Shape& shape, std::span<const Tensor> operands, const Dims& order) {
  std::vector<Dims> full;
  for (const Tensor& x : operands) full.push_back(x.defined() ? strides_over(x, shape) : Dims(shape.size(), 0));

  Layout layout;
  layout.strides.resize(operands.size());
  for (auto o : order) {
    const int axis = static_cast<int>(o);
    if (shape[axis] == 1) continue;
    bool joins = !layout.sizes.empty();
    for (std::size_t k = 0; k < full.size() && joins; ++k)
      joins = layout.strides[k].back() == full[k][axis] * shape[axis];
    if (joins)
      layout.sizes.back() *= shape[axis];
    else
      layout.sizes.push_back(shape[axis]);
    for (std::size_t k = 0; k < full.size(); ++k) {
      if (joins)
        layout.strides[k].back() = full[k][axis];
      else
        layout.strides[k].push_back(full[k][axis]);
    }
  }
  if (layout.sizes.empty()) {
    layout.sizes.push_back(1);
    for (auto& s : layout.strides) s.push_back(1);
  }
  return layout;
}

// Whether the kernel can go along the rows of an operand: it is dense there, or read and repeats one element.
bool fits(const Layout& layout, std::size_t operand, bool written) {
  const auto stride = layout.strides[operand].back();
  return stride == 1 || (stride == 0 && !written);
}

}  // namespace

Shape common_shape(std::span<Tensor> inputs, const char* operation) {
  const Tensor* typed = nullptr;  // the first that is no number
  for (const Tensor& x : inputs)
    if (!TensorAccess::body(x).weak && !typed) typed = &x;
  DType dtype = typed ? typed->dtype() : DType::int64;
  if (!typed)
    for (const Tensor& x : inputs)
      if (is_floating(x.dtype())) dtype = x.dtype();
  Shape shape;
  for (Tensor& x : inputs) {
    if (x.dtype() != dtype) {
      const bool weak = TensorAccess::body(x).weak;
      if (!weak || (is_floating(x.dtype()) && !is_floating(dtype)))
        throw DTypeError(fmt::format("{}: {} {} and {} {}: the dtypes differ; cast one", operation, name(dtype),
                                     to_string(typed->shape()), name(x.dtype()), to_string(x.shape())));
      x = kernels::cast(x, dtype);
    }
    shape = broadcast_shapes(shape, x.shape(), operation);
  }
  return shape;
}

Tensor make_output(std::span<const Tensor> inputs, const Shape& shape, DType dtype) {
  const Tensor* leading = leading_operand(inputs, shape);
  if (!leading || leading->is_contiguous()) return Tensor::empty(shape, dtype);
  const Dims order = memory_order(leading->strides());
  Shape sizes;
  Dims back(shape.size(), 0);
  for (int i = 0; i < order.size(); ++i) {
    sizes.push_back(shape[static_cast<int>(order[i])]);
    back[static_cast<int>(order[i])] = i;
  }
  return kernels::permute(Tensor::empty(sizes, dtype), back);
}

namespace {

// Copies a matrix of elements with any strides, in tiles that stay in the cache.
template <class T>
void copy_matrix(const T* from, std::int64_t from_row, std::int64_t from_column, T* to, std::int64_t to_row,
                 std::int64_t to_column, std::int64_t rows, std::int64_t columns) {
  if (from_column == 1 && to_column == 1) {
    for (std::int64_t i = 0; i < rows; ++i)
      std::copy_n(from + i * from_row, columns, to + i * to_row);
    return;
  }
  constexpr std::int64_t tile = 16;
  for (std::int64_t r = 0; r < rows; r += tile)
    for (std::int64_t c = 0; c < columns; c += tile)
      for (std::int64_t i = r; i < std::min(r + tile, rows); ++i)
        for (std::int64_t j = c; j < std::min(c + tile, columns); ++j)
          to[i * to_row + j * to_column] = from[i * from_row + j * from_column];
}

template <class T>
void copy_elements_of(const Tensor& from, const Tensor& to) {
  const std::array<Tensor, 2> operands{from, to};
  Layout layout = collapse(to.shape(), operands, memory_order(to.strides()));
  if (layout.sizes.size() == 1) {
    layout.sizes.insert(0, 1);
    for (auto& s : layout.strides) s.insert(0, 0);
  }
  const int outer = layout.sizes.size() - 2;
  const std::int64_t rows = layout.sizes[outer], columns = layout.sizes[outer + 1];
  std::int64_t matrices = 1;
  for (int i = 0; i < outer; ++i) matrices *= layout.sizes[i];
  // Tall matrices are cut, so that there is something to share out.
  const std::int64_t block = std::clamp<std::int64_t>(elements_per_part / columns, 1, rows);
  const std::int64_t blocks = (rows + block - 1) / block;
  const std::int64_t grain = std::max<std::int64_t>(1, elements_per_part / (block * columns));
  const T* source = TensorAccess::data<T>(from);
  T* target = TensorAccess::raw<T>(to);
  rill::detail::parallel_for(matrices * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t row = unit % blocks * block;
      std::int64_t a = row * layout.strides[0][outer], b = row * layout.strides[1][outer];
      std::int64_t rest = unit / blocks;
      for (int axis = outer - 1; axis >= 0; --axis) {
        a += rest % layout.sizes[axis] * layout.strides[0][axis];
        b += rest % layout.sizes[axis] * layout.strides[1][axis];
        rest /= layout.sizes[axis];
      }
      copy_matrix(source + a, layout.strides[0][outer], layout.strides[0][outer + 1], target + b,
                  layout.strides[1][outer], layout.strides[1][outer + 1], std::min(block, rows - row), columns);
    }
  });
}

}  // namespace

void copy_elements(const Tensor& from, const Tensor& to) {
  if (to.count() == 0) return;
  if (size_of(to.dtype()) == 4)
    copy_elements_of<std::uint32_t>(from, to);
  else
    copy_elements_of<std::uint64_t>(from, to);
}

namespace {

// Most operands are contiguous and of one shape, or a single element: then all is one row.
bool run_as_one_row(const Shape& shape, std::int64_t elements, std::span<const Tensor> operands,
                    std::size_t first_written, RowKernel kernel, const void* context) {
  std::array<std::byte*, most_operands> first;
  std::array<std::int64_t, most_operands> step, size;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    first[k] = nullptr;
    step[k] = 0;
    if (!operands[k].defined()) continue;
    const auto& body = TensorAccess::body(operands[k]);
    const bool one = body.count == 1 && k < first_written;
    if (!one && !(body.contiguous && body.shape == shape)) return false;
    size[k] = static_cast<std::int64_t>(size_of(body.dtype));
    first[k] = body.storage->bytes() + body.offset * size[k];
    step[k] = one ? 0 : 1;
  }
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    std::array<void*, most_operands> data;
    for (std::size_t k = 0; k < operands.size(); ++k) data[k] = first[k] ? first[k] + begin * step[k] * size[k] : nullptr;
    kernel(context, {data.data(), step.data(), end - begin});
  };
  if (elements <= elements_per_part)
    part(0, elements);
  else
    rill::detail::parallel_for(elements, elements_per_part, part);
  return true;
}

}  // namespace

void run(const Shape& shape, std::span<const Tensor> given, std::size_t first_written, RowKernel kernel,
         const void* context) {
  const std::int64_t elements = count(shape);
  if (elements == 0 || run_as_one_row(shape, elements, given, first_written, kernel, context)) return;
  std::vector<Tensor> operands(given.begin(), given.end());
  const Tensor* leading = leading_operand(operands, shape);
  const Dims row_major = memory_order(row_major_strides(shape));
  Layout layout = collapse(shape, operands, leading ? memory_order(leading->strides()) : row_major);
  const auto all_fit = [&] {
    for (std::size_t k = 0; k < operands.size(); ++k)
      if (operands[k].defined() && !fits(layout, k, k >= first_written)) return false;
    return true;
  };
  std::vector<std::pair<Tensor, Tensor>> to_write_back;
  if (!all_fit()) {
    layout = collapse(shape, operands, row_major);
    for (std::size_t k = 0; k < operands.size(); ++k) {
      if (!operands[k].defined() || fits(layout, k, k >= first_written)) continue;
      Tensor dense = Tensor::empty(shape, operands[k].dtype());
      if (k < first_written)
        copy_elements(kernels::expand(operands[k], shape), dense);
      else
        to_write_back.emplace_back(dense, operands[k]);
      operands[k] = std::move(dense);
    }
    layout = collapse(shape, operands, row_major);
  }

  const std::int64_t columns = layout.sizes.back();
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < layout.sizes.size(); ++i) rows *= layout.sizes[i];
  const std::int64_t block = std::min(columns, elements_per_part);
  const std::int64_t blocks = (columns + block - 1) / block;
  const std::int64_t grain = std::max<std::int64_t>(1, elements_per_part / block);

  rill::detail::parallel_for(rows * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<void*> data(operands.size(), nullptr);
    std::vector<std::int64_t> step(operands.size(), 0);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t first_column = unit % blocks * block;
      for (std::size_t k = 0; k < operands.size(); ++k) {
        if (!operands[k].defined()) continue;
        const Dims& strides = layout.strides[k];
        std::int64_t offset = first_column * strides.back();
        std::int64_t row = unit / blocks;
        for (int axis = layout.sizes.size() - 2; axis >= 0; --axis) {
          offset += row % layout.sizes[axis] * strides[axis];
          row /= layout.sizes[axis];
        }
        step[k] = strides.back();
        data[k] = TensorAccess::raw<std::byte>(operands[k]) +
                  (TensorAccess::body(operands[k]).offset + offset) *
                      static_cast<std::int64_t>(size_of(operands[k].dtype())) -
                  TensorAccess::body(operands[k]).offset;
      }
      kernel(context, {data.data(), step.data(), std::min(block, columns - first_column)});
    }
  });
  for (const auto& [from, to] : to_write_back) copy_elements(from, to);
}

}  // namespace rill::simd
