#include "rill/tensor/kernels/map.h"

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;
using detail::TensorBody;

namespace {

constexpr std::size_t most_inputs = 3;

simd::RowKernel kernel_for(const Mapping& mapping, const Tensor& x) {
  const auto kernel = mapping.kernels[static_cast<std::size_t>(x.dtype())];
  if (!kernel)
    throw DTypeError(fmt::format("{}: {} {}: expected a floating dtype; cast it", mapping.operation,
                                 name(x.dtype()), to_string(x.shape())));
  return kernel;
}

// One element in any dtype.
union Number {
  float float32;
  double float64;
  std::int64_t int64;
};

// Reads a weak scalar as an element of that dtype. Returns false where it does not take it.
bool read_number(const TensorBody& body, DType dtype, Number& number) {
  const auto convert = [&](auto value) {
    switch (dtype) {
      case DType::float32:
        number.float32 = static_cast<float>(value);
        break;
      case DType::float64:
        number.float64 = static_cast<double>(value);
        break;
      case DType::int64:
        number.int64 = static_cast<std::int64_t>(value);
        break;
    }
  };
  const std::byte* bytes = body.storage->bytes();
  if (body.dtype == DType::int64)
    convert(reinterpret_cast<const std::int64_t*>(bytes)[body.offset]);
  else if (body.dtype == DType::float64 && is_floating(dtype))
    convert(reinterpret_cast<const double*>(bytes)[body.offset]);
  else
    return false;
  return true;
}

// Where the inputs are dense in one layout, or single elements, there is one row and no need to work out any
// shape, which for small tensors would take longer than the elements. Returns no value elsewhere.
Tensor run_flat(const Mapping& mapping, std::span<const Tensor* const> inputs) {
  if (simd::OutputPlace::waits()) [[unlikely]]
    return {};
  const Tensor* leading = nullptr;
  for (const Tensor* x : inputs)
    if (!TensorAccess::body(*x).weak && (!leading || x->rank() > leading->rank())) leading = x;
  if (!leading || !is_dense(*leading)) return {};
  const TensorBody& like = TensorAccess::body(*leading);
  const std::size_t size = size_of(like.dtype);
  std::array<const std::byte*, most_inputs> first;
  std::array<std::int64_t, most_inputs + 1> step;
  std::array<Number, most_inputs> numbers;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const TensorBody& body = TensorAccess::body(*inputs[k]);
    first[k] = body.storage->bytes() + static_cast<std::size_t>(body.offset) * size;
    step[k] = 1;
    if (&body == &like) continue;
    if (body.weak && body.shape.empty()) {
      if (!read_number(body, like.dtype, numbers[k])) return {};
      first[k] = reinterpret_cast<const std::byte*>(&numbers[k]);
      step[k] = 0;
      continue;
    }
    if (body.weak || body.dtype != like.dtype) return {};
    if (body.shape.empty())
      step[k] = 0;
    else if (!(body.shape == like.shape && body.strides == like.strides))
      return {};
  }
  const auto kernel = kernel_for(mapping, *leading);
  const std::size_t n = inputs.size();
  Tensor out = TensorAccess::make(like.shape, like.strides, like.dtype);
  step[n] = 1;
  std::byte* const to = TensorAccess::body(out).storage->bytes();
  detail::parallel_for(like.count, mapping.part_size, [&](std::int64_t begin, std::int64_t end) {
    std::array<void*, most_inputs + 1> data;
    const auto offset = static_cast<std::size_t>(begin) * size;
    for (std::size_t k = 0; k < n; ++k)
      data[k] = const_cast<std::byte*>(first[k]) + (step[k] == 0 ? 0 : offset);
    data[n] = to + offset;
    kernel(mapping.function, {data.data(), step.data(), end - begin});
  });
  return out;
}

}  // namespace

Tensor run_mapping(const Mapping& mapping, std::span<const Tensor* const> given) {
  for (std::size_t i = 0; i < given.size(); ++i)
    if (!given[i]->defined()) detail::throw_no_value(mapping.operation, i + 1);
  if (Tensor out = run_flat(mapping, given); out.defined()) return out;
  std::vector<Tensor> operands;
  bool weak = true;
  for (const Tensor* x : given) {
    weak = weak && TensorAccess::body(*x).weak;
    operands.push_back(*x);
  }
  const Shape shape = simd::common_shape(operands, mapping.operation);
  const DType dtype = operands[0].dtype();
  const auto kernel = kernel_for(mapping, operands[0]);
  Tensor out = simd::make_output(operands, shape, dtype);
  operands.push_back(out);
  simd::run(shape, operands, given.size(), kernel, mapping.function, {}, mapping.part_size);
  TensorAccess::mutable_body(out).weak = weak;
  return out;
}

}  // namespace rill::kernels
