#include "rill/tensor/tensor.h"

#include <cstring>
#include <new>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"

namespace rill {

using detail::Storage;
using detail::TensorAccess;
using detail::TensorBody;

namespace {

TensorBody* create_body() { return new (detail::allocate(sizeof(TensorBody))) TensorBody; }

bool is_row_major(const Shape& shape, const Dims& strides) {
  std::int64_t expected = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    if (shape[i] == 1) continue;
    if (strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

}  // namespace

std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
  }
  return "unknown";
}

void Tensor::throw_undefined() {
  throw ValueError(
      "this tensor holds no value: it was default-constructed or moved from, or it is the gradient with "
      "respect to a "
      "value that the target does not depend on");
}

void Tensor::destroy() noexcept {
  body_->storage->release();
  body_->~TensorBody();
  detail::deallocate(body_, sizeof(TensorBody));
}

Tensor TensorAccess::make(Storage* storage, std::int64_t offset, const Shape& shape, const Dims& strides,
                          DType dtype) {
  Tensor t;
  t.body_ = create_body();
  t.body_->storage = storage;
  t.body_->offset = offset;
  t.body_->shape = shape;
  t.body_->strides = strides;
  t.body_->dtype = dtype;
  t.body_->count = rill::count(shape);
  t.body_->contiguous = t.body_->count == 0 || is_row_major(shape, strides);
  return t;
}

TensorBody* Tensor::copy_of(const TensorBody& body) {
  Tensor copy = empty(body.shape, body.dtype);  // what is exposed is contiguous
  std::memcpy(copy.body_->storage->bytes(),
              body.storage->bytes() + body.offset * static_cast<std::int64_t>(size_of(body.dtype)),
              static_cast<std::size_t>(body.count) * size_of(body.dtype));
  return std::exchange(copy.body_, nullptr);
}

Tensor TensorAccess::view(const Tensor& base, std::int64_t offset, const Shape& shape, const Dims& strides) {
  const TensorBody& from = base.body();
  if (from.exposed) [[unlikely]] {
    if (rill::count(shape) > from.count) return view(Tensor(base), offset - from.offset, shape, strides);
    from.storage->retain();
    return kernels::copy(make(from.storage, offset, shape, strides, from.dtype));
  }
  from.storage->retain();
  base.body_->alone.store(false, std::memory_order_relaxed);
  Tensor t = make(from.storage, offset, shape, strides, from.dtype);
  t.body_->weak = from.weak;
  t.body_->reused = from.reused;
  return t;
}

void TensorAccess::make_writable(Tensor& t) {
  if (!(sole_owner(t) && t.body_->contiguous)) t = kernels::copy(t);
  t.body_->slot = {};
  t.body_->weak = false;
  t.body_->exposed = false;
  t.body_->storage->drop_derived();
}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  for (auto size : shape)
    if (size < 0)
      throw ShapeError(fmt::format("empty: shape {} has a negative size", rill::to_string(shape)));
  const auto bytes = static_cast<std::size_t>(rill::count(shape)) * size_of(dtype);
  return TensorAccess::make(Storage::create(bytes), 0, shape, row_major_strides(shape), dtype);
}

Tensor Tensor::weak_scalar(double value) {
  Tensor t = empty({}, DType::float64);
  *TensorAccess::raw<double>(t) = value;
  t.body_->weak = true;
  return t;
}

Tensor Tensor::weak_scalar(std::int64_t value) {
  Tensor t = empty({}, DType::int64);
  *TensorAccess::raw<std::int64_t>(t) = value;
  t.body_->weak = true;
  return t;
}

std::int64_t Tensor::size(std::int64_t axis) const { return shape()[normalize_axis(axis, rank(), "size")]; }

template <Element T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  Tensor t = empty(shape, dtype_of<T>());
  if (t.count() != static_cast<std::int64_t>(values.size()))
    throw ShapeError(
        fmt::format("from: {} values do not fill shape {}", values.size(), rill::to_string(shape)));
  if (!values.empty()) std::memcpy(TensorAccess::raw<T>(t), values.data(), values.size_bytes());
  return t;
}

double Tensor::item() const {
  if (count() != 1)
    throw ShapeError(fmt::format("item: shape {} has not one element", rill::to_string(shape())));
  switch (dtype()) {
    case DType::float32:
      return *TensorAccess::data<float>(*this);
    case DType::float64:
      return *TensorAccess::data<double>(*this);
    case DType::int64:
      return static_cast<double>(*TensorAccess::data<std::int64_t>(*this));
  }
  return 0;
}

template <Element T>
std::span<const T> Tensor::span() const {
  if (dtype() != dtype_of<T>())
    throw DTypeError(fmt::format("span: the tensor holds {}, not {}", name(dtype()), name(dtype_of<T>())));
  if (!is_contiguous())
    throw ShapeError(fmt::format("span: the tensor of shape {} is a strided view; take contiguous(x) first",
                                 rill::to_string(shape())));
  return {TensorAccess::data<T>(*this), static_cast<std::size_t>(count())};
}

template <Element T>
std::span<T> Tensor::mutable_span() {
  if (dtype() != dtype_of<T>())
    throw DTypeError(
        fmt::format("mutable_span: the tensor holds {}, not {}", name(dtype()), name(dtype_of<T>())));
  TensorAccess::make_writable(*this);
  body_->exposed = true;
  return {TensorAccess::raw<T>(*this), static_cast<std::size_t>(count())};
}

template <Element T>
std::vector<T> Tensor::to_vector() const {
  const Tensor converted = kernels::contiguous(kernels::cast(*this, dtype_of<T>()));
  const auto values = converted.span<T>();
  return {values.begin(), values.end()};
}

template Tensor Tensor::from(std::span<const float>, const Shape&);
template Tensor Tensor::from(std::span<const double>, const Shape&);
template Tensor Tensor::from(std::span<const std::int64_t>, const Shape&);
template std::span<const float> Tensor::span() const;
template std::span<const double> Tensor::span() const;
template std::span<const std::int64_t> Tensor::span() const;
template std::span<float> Tensor::mutable_span();
template std::span<double> Tensor::mutable_span();
template std::span<std::int64_t> Tensor::mutable_span();
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;

}  // namespace rill
