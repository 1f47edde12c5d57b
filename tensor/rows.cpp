#include "rill/tensor/rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/threads.h"

namespace rill::simd {

using kernels::Layout;
using rill::detail::TensorAccess;

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
      if (weak && is_floating(x.dtype()) && !is_floating(dtype))
        throw DTypeError(fmt::format("{}: {} {} and a floating number: cast the tensor to a floating dtype",
                                     operation, name(dtype), to_string(typed->shape())));
      if (!weak)
        throw DTypeError(fmt::format("{}: {} {} and {} {}: the dtypes differ; cast one", operation,
                                     name(dtype), to_string(typed->shape()), name(x.dtype()),
                                     to_string(x.shape())));
      x = kernels::cast(x, dtype);
    }
    shape = broadcast_shapes(shape, x.shape(), operation);
  }
  return shape;
}

Tensor make_output(std::span<const Tensor> inputs, const Shape& shape, DType dtype) {
  const Tensor* leading = kernels::leading_operand(inputs, shape);
  if (!leading || leading->is_contiguous()) return Tensor::empty(shape, dtype);
  const Dims order = kernels::memory_order(leading->strides());
  Shape sizes;
  Dims back(shape.size(), 0);
  for (int i = 0; i < order.size(); ++i) {
    sizes.push_back(shape[static_cast<int>(order[i])]);
    back[static_cast<int>(order[i])] = i;
  }
  return kernels::permute(Tensor::empty(sizes, dtype), back);
}

namespace {

constexpr std::size_t most_operands = 128;

std::int64_t bytes_of(const detail::TensorBody& body) {
  return static_cast<std::int64_t>(size_of(body.dtype));
}

std::byte* first_element(const detail::TensorBody& body) {
  return body.storage->bytes() + body.offset * bytes_of(body);
}

// Most operands are dense in one layout, or a single element: then all is one row.
bool run_as_one_row(const Shape& shape, std::int64_t elements, std::span<const Tensor> operands,
                    std::size_t first_written, RowKernel kernel, const void* context,
                    std::int64_t part_size) {
  std::array<std::byte*, most_operands> first;
  std::array<std::int64_t, most_operands> step, size;
  const Tensor* leading = nullptr;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    first[k] = nullptr;
    step[k] = 0;
    if (!operands[k].defined()) continue;
    const auto& body = TensorAccess::body(operands[k]);
    const bool one = body.count == 1 && k < first_written;
    if (!one) {
      if (!(body.shape == shape)) return false;
      if (!leading) {
        leading = &operands[k];
        if (!kernels::is_dense(*leading)) return false;
      } else if (!(body.contiguous && leading->is_contiguous()) && !(body.strides == leading->strides())) {
        return false;
      }
    }
    size[k] = bytes_of(body);
    first[k] = first_element(body);
    step[k] = one ? 0 : 1;
  }
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    std::array<void*, most_operands> data;
    for (std::size_t k = 0; k < operands.size(); ++k)
      data[k] = first[k] ? first[k] + begin * step[k] * size[k] : nullptr;
    kernel(context, {data.data(), step.data(), end - begin});
  };
  rill::detail::parallel_for(elements, part_size, part);
  return true;
}

// Whether the kernel can go along the rows of an operand: it is dense there, or read and repeats one element.
bool fits(const Layout& layout, std::size_t operand, bool written) {
  const auto stride = layout.strides[operand].back();
  return stride == 1 || (stride == 0 && !written);
}

// Goes over the rows of several operands, which are cut into blocks.
class Rows {
 public:
  Rows(const Layout& layout, std::span<const Tensor> operands, std::int64_t block)
      : axes_(layout.sizes.size()),
        operands_(operands.size()),
        columns_(layout.sizes.back()),
        block_(block),
        sizes_(layout.sizes),
        byte_strides_(static_cast<std::size_t>(axes_) * operands_) {
    sizes_.back() = (columns_ + block - 1) / block;
    for (std::size_t k = 0; k < operands_; ++k) {
      const bool defined = operands[k].defined();
      first_[k] = defined ? first_element(TensorAccess::body(operands[k])) : nullptr;
      step_[k] = layout.strides[k].back();
      const std::int64_t size = defined ? bytes_of(TensorAccess::body(operands[k])) : 0;
      for (int axis = 0; axis < axes_; ++axis)
        byte_strides_[static_cast<std::size_t>(axis) * operands_ + k] =
            layout.strides[k][axis] * size * (axis + 1 == axes_ ? block : 1);
    }
  }

  std::int64_t units() const { return count(sizes_); }

  void run(std::int64_t begin, std::int64_t end, RowKernel kernel, const void* context) const {
    std::array<void*, most_operands> at;
    std::copy_n(first_.begin(), operands_, at.begin());
    Dims index(axes_, 0);
    std::int64_t rest = begin;
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      index[axis] = rest % sizes_[axis];
      rest /= sizes_[axis];
      move(at, axis, index[axis]);
    }
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::array<void*, most_operands> now = at;
      const std::int64_t columns = std::min(block_, columns_ - index.back() * block_);
      for (int axis = axes_ - 1; axis >= 0; --axis) {
        if (++index[axis] < sizes_[axis]) {
          move(at, axis, 1);
          break;
        }
        index[axis] = 0;
        move(at, axis, 1 - sizes_[axis]);
      }
      kernel(context, {now.data(), step_.data(), columns, at.data()});
    }
  }

 private:
  void move(std::array<void*, most_operands>& at, int axis, std::int64_t steps) const {
    const std::int64_t* stride = byte_strides_.data() + static_cast<std::size_t>(axis) * operands_;
    for (std::size_t k = 0; k < operands_; ++k)
      if (at[k]) at[k] = static_cast<std::byte*>(at[k]) + stride[k] * steps;
  }

  int axes_;
  std::size_t operands_;
  std::int64_t columns_, block_;
  Dims sizes_;  // the last axis counts blocks
  std::array<void*, most_operands> first_;
  std::array<std::int64_t, most_operands> step_;
  std::vector<std::int64_t> byte_strides_;  // [axis][operand]
};

}  // namespace

void run(const Shape& shape, std::span<const Tensor> operands, std::size_t first_written, RowKernel kernel,
         const void* context, std::int64_t part_size) {
  const std::int64_t elements = count(shape);
  if (elements == 0 || run_as_one_row(shape, elements, operands, first_written, kernel, context, part_size))
    return;
  const Tensor* leading = kernels::leading_operand(operands, shape);
  const Dims row_major = kernels::memory_order(row_major_strides(shape));
  Layout layout =
      kernels::collapse(shape, operands, leading ? kernels::memory_order(leading->strides()) : row_major);
  const auto all_fit = [&] {
    for (std::size_t k = 0; k < operands.size(); ++k)
      if (operands[k].defined() && !fits(layout, k, k >= first_written)) return false;
    return true;
  };
  std::vector<Tensor> with_copies;
  std::vector<std::pair<Tensor, Tensor>> to_write_back;
  if (!all_fit()) {
    layout = kernels::collapse(shape, operands, row_major);
    with_copies.assign(operands.begin(), operands.end());
    for (std::size_t k = 0; k < operands.size(); ++k) {
      if (!operands[k].defined() || fits(layout, k, k >= first_written)) continue;
      with_copies[k] = Tensor::empty(shape, operands[k].dtype());
      if (k < first_written)
        copy_elements(kernels::expand(operands[k], shape), with_copies[k]);
      else
        to_write_back.emplace_back(with_copies[k], operands[k]);
    }
    operands = with_copies;
    layout = kernels::collapse(shape, operands, row_major);
  }

  const Rows rows(layout, operands, std::min(layout.sizes.back(), part_size));
  const std::int64_t grain = std::max<std::int64_t>(1, part_size / layout.sizes.back());
  rill::detail::parallel_for(rows.units(), grain, [&](std::int64_t begin, std::int64_t end) {
    rows.run(begin, end, kernel, context);
  });
  for (const auto& [from, to] : to_write_back) copy_elements(from, to);
}

}  // namespace rill::simd
