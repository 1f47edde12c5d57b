#include "rill/autograd/fused/run.h"

#include <algorithm>
#include <numeric>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/threads.h"

namespace rill::fuse {

using rill::detail::TensorAccess;

namespace {

constexpr std::int64_t elements_per_part = 4096;

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
const Tensor* leading_operand(const std::vector<Tensor>& operands, const Shape& shape) {
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
Layout collapse(const Shape& shape, const std::vector<Tensor>& operands, const Dims& order) {
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

Shape common_shape(std::vector<Tensor>& inputs) {
  const auto weak = [](const Tensor& x) { return TensorAccess::body(x).weak; };
  const auto first = std::find_if_not(inputs.begin(), inputs.end(), weak);
  const DType dtype = first == inputs.end() ? DType::float64 : first->dtype();
  if (!is_floating(dtype)) throw DTypeError(fmt::format("fused: an input has dtype {}; cast it", name(dtype)));
  Shape shape;
  for (Tensor& x : inputs) {
    if (weak(x)) x = kernels::cast(x, dtype);
    if (x.dtype() != dtype)
      throw DTypeError(fmt::format("fused: the inputs have dtypes {} and {}; cast one", name(dtype), name(x.dtype())));
    shape = broadcast_shapes(shape, x.shape(), "fused");
  }
  return shape;
}

Tensor make_output(const std::vector<Tensor>& inputs, const Shape& shape) {
  const DType dtype = inputs.front().dtype();
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

void run(const Shape& shape, std::vector<Tensor> operands, std::size_t first_written, RowKernel kernel,
         const void* context) {
  if (count(shape) == 0) return;
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
        kernels::copy_into(operands[k], dense);
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
  for (const auto& [from, to] : to_write_back) kernels::copy_into(from, to);
}

}  // namespace rill::fuse
