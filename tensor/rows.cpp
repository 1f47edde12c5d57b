#include "rill/tensor/rows.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
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
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].defined()) detail::throw_no_value(operation, i + 1);
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

thread_local constinit Tensor* OutputPlace::waiting_ = nullptr;

OutputPlace::OutputPlace(Tensor memory)
    : memory_(std::move(memory)), before_(std::exchange(waiting_, memory_.defined() ? &memory_ : nullptr)) {}

OutputPlace::~OutputPlace() { waiting_ = before_; }

Tensor OutputPlace::take(const Shape& shape, DType dtype) {
  if (!(waiting_->dtype() == dtype && waiting_->shape() == shape)) return {};
  return std::move(*std::exchange(waiting_, nullptr));
}

Tensor make_output(std::span<const Tensor> inputs, const Shape& shape, DType dtype) {
  if (OutputPlace::waits())
    if (Tensor place = OutputPlace::take(shape, dtype); place.defined()) return place;
  const Tensor* leading = kernels::leading_operand(inputs, shape);
  if (!leading || leading->is_contiguous()) return Tensor::empty(shape, dtype);
  const Dims& strides = leading->strides();
  if (std::is_sorted(strides.begin(), strides.end(),
                     [](auto a, auto b) { return std::abs(a) > std::abs(b); }))
    return Tensor::empty(shape, dtype);
  const Dims order = kernels::memory_order(strides);
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
  /// A part is `grain` rows, or blocks of rows, that follow each other.
  Rows(const Layout& layout, std::span<const Tensor> operands, std::int64_t block, std::int64_t grain)
      : axes_(layout.sizes.size()),
        operands_(operands.size()),
        columns_(layout.sizes.back()),
        block_(block),
        grain_(grain),
        sizes_(layout.sizes) {
    byte_strides_.reserve(static_cast<std::size_t>(axes_) * operands_);
    sizes_.back() = (columns_ + block - 1) / block;
    for (std::size_t k = 0; k < operands_; ++k) {
      const bool defined = operands[k].defined();
      first_[k] = defined ? first_element(TensorAccess::body(operands[k])) : nullptr;
      step_[k] = layout.strides[k].back();
      const std::int64_t size = defined ? bytes_of(TensorAccess::body(operands[k])) : 0;
      for (int axis = 0; axis < axes_; ++axis)
        byte_strides_.push_back(layout.strides[k][axis] * size * (axis + 1 == axes_ ? block : 1));
    }
  }

  std::int64_t units() const { return count(sizes_); }
  std::int64_t parts() const { return (units() + grain_ - 1) / grain_; }

  /// Lets each part sum what is written for operand k into a row of its own of `sums`.
  void set_sums(std::size_t k, const Tensor& sums) {
    if (summed_.empty()) adds_.fill(false);
    summed_.push_back(k);
    adds_[k] = true;
    step_[k] = 1;
    first_[k] = first_element(TensorAccess::body(sums));
    sum_bytes_[k] = sums.count() / parts() * bytes_of(TensorAccess::body(sums));
  }

  void run(RowKernel kernel, const void* context) const {
    rill::detail::parallel_for(units(), grain_, [&](std::int64_t begin, std::int64_t end) {
      run_part(begin, end, kernel, context);
    });
  }

 private:
  using Places = std::array<void*, most_operands>;

  void run_part(std::int64_t begin, std::int64_t end, RowKernel kernel, const void* context) const {
    Places first, one, other;
    std::copy_n(first_.begin(), operands_, first.begin());
    for (const std::size_t k : summed_) {
      first[k] = static_cast<std::byte*>(first[k]) + begin / grain_ * sum_bytes_[k];
      std::memset(first[k], 0, static_cast<std::size_t>(sum_bytes_[k]));
    }
    Dims index(axes_, 0);
    std::int64_t rest = begin;
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      index[axis] = rest % sizes_[axis];
      rest /= sizes_[axis];
    }
    Places *now = &one, *next = &other;
    find(*now, first, index);
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t columns = std::min(block_, columns_ - index.back() * block_);
      for (int axis = axes_ - 1; axis >= 0; --axis) {
        if (++index[axis] < sizes_[axis]) break;
        index[axis] = 0;
      }
      find(*next, first, index);
      kernel(context,
             {now->data(), step_.data(), columns, next->data(), summed_.empty() ? nullptr : adds_.data()});
      std::swap(now, next);
    }
  }

  /// Where the operands lie at that index: counted from the first element, because pointers that were moved
  /// would be read back by vectors, which waits until all that the kernel wrote since is in the cache.
  void find(Places& at, const Places& first, const Dims& index) const {
    const std::int64_t* stride = byte_strides_.data();
    for (std::size_t k = 0; k < operands_; ++k) {
      std::int64_t distance = 0;
      for (int axis = 0; axis < axes_; ++axis) distance += index[axis] * *stride++;
      at[k] = static_cast<std::byte*>(first[k]) + distance;
    }
  }

  int axes_;
  std::size_t operands_;
  std::int64_t columns_, block_, grain_;
  Dims sizes_;  // the last axis counts blocks
  Places first_;
  std::array<std::int64_t, most_operands> step_;
  std::vector<std::int64_t> byte_strides_;  // [operand][axis]
  std::vector<std::size_t> summed_;
  std::array<bool, most_operands> adds_;
  std::array<std::int64_t, most_operands> sum_bytes_;
};

// Whether each row of the loop meets all elements of an operand once, in row-major order, and all rows the
// same ones.
bool repeats_by_row(const Layout& layout, std::size_t operand, const Tensor& x) {
  const Dims& strides = layout.strides[operand];
  return x.is_contiguous() && layout.sizes.back() == x.count() && strides.back() == 1 &&
         std::all_of(strides.begin(), strides.end() - 1, [](std::int64_t stride) { return stride == 0; });
}

}  // namespace

std::int64_t rows_per_sum(std::int64_t rows, std::int64_t columns, std::int64_t part_size) {
  constexpr std::int64_t few = 64, long_sum = 64, most_elements = std::int64_t{1} << 20;
  columns = std::max<std::int64_t>(columns, 1);
  const std::int64_t parts = std::max(few, std::min(rows / long_sum, most_elements / columns));
  return std::max({std::int64_t{1}, std::min(part_size / columns, long_sum), (rows + parts - 1) / parts});
}

void run(const Shape& shape, std::span<const Tensor> operands, std::size_t first_written, RowKernel kernel,
         const void* context, std::span<Sum> sums, std::int64_t part_size) {
  const std::int64_t elements = count(shape);
  if (sums.empty() &&
      (elements == 0 || run_as_one_row(shape, elements, operands, first_written, kernel, context, part_size)))
    return;
  const Tensor* leading = kernels::leading_operand(operands, shape);
  const Dims row_major = kernels::memory_order(row_major_strides(shape));
  const Dims order = leading ? kernels::memory_order(leading->strides()) : row_major;
  Layout layout = kernels::collapse(shape, operands, order);
  const auto all_fit = [&] {
    for (std::size_t k = 0; k < operands.size(); ++k)
      if (operands[k].defined() && !fits(layout, k, k >= first_written)) return false;
    return true;
  };
  std::vector<Tensor> replaced;
  const auto replace = [&](std::size_t k, const Tensor& x) {
    if (replaced.empty()) replaced.assign(operands.begin(), operands.end());
    replaced[k] = x;
    operands = replaced;
  };
  const bool by_row = elements > 0 && all_fit();
  for (Sum& sum : sums) {
    const Tensor& input = operands[sum.input];
    if (by_row && input.count() <= part_size && repeats_by_row(layout, sum.input, input)) continue;
    sum.value = make_output(operands, shape, input.dtype());
    replace(sum.output, sum.value);
  }
  if (elements == 0) return;
  if (!replaced.empty()) layout = kernels::collapse(shape, operands, order);
  std::vector<std::pair<Tensor, Tensor>> to_write_back;
  if (!all_fit()) {
    layout = kernels::collapse(shape, operands, row_major);
    for (std::size_t k = 0; k < operands.size(); ++k) {
      if (!operands[k].defined() || fits(layout, k, k >= first_written)) continue;
      const Tensor given = operands[k], own = Tensor::empty(shape, given.dtype());
      replace(k, own);
      if (k < first_written)
        copy_elements(kernels::expand(given, shape), own);
      else
        to_write_back.emplace_back(own, given);
    }
    layout = kernels::collapse(shape, operands, row_major);
  }

  const std::int64_t columns = layout.sizes.back();
  const std::int64_t grain = sums.empty() ? std::max<std::int64_t>(1, part_size / columns)
                                          : rows_per_sum(elements / columns, columns, part_size);
  Rows rows(layout, operands, std::min(columns, part_size), grain);
  for (Sum& sum : sums) {
    if (sum.value.defined()) continue;
    Shape parts = operands[sum.input].shape();
    parts.insert(0, rows.parts());
    sum.value = Tensor::empty(parts, operands[sum.input].dtype());
    rows.set_sums(sum.output, sum.value);
  }
  rows.run(kernel, context);
  for (const auto& [from, to] : to_write_back) copy_elements(from, to);
}

}  // namespace rill::simd
