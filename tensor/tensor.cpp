#include "rill/tensor/tensor.h"

#include <algorithm>
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

TensorBody* create_body(Storage* storage) {
  void* memory = detail::try_allocate(sizeof(TensorBody));
  if (!memory) {
    storage->release();
    throw Error("memory: the system has none left for another tensor");
  }
  auto* body = new (memory) TensorBody;
  body->storage = storage;
  return body;
}

constexpr const char* origins_of_none =
    "it was default-constructed or moved from, or it is the gradient with respect to a value that the target "
    "does not depend on";

// More axes than anything needs; loops over axes and the printing of a tensor count on few.
constexpr int most_axes = 64;

[[noreturn]] void throw_too_large(const Shape& shape, DType dtype) {
  long double bytes = size_of(dtype);
  for (auto size : shape) bytes *= static_cast<long double>(std::max<std::int64_t>(size, 1));
  throw ShapeError(fmt::format("memory: {} of {} needs {:.20g} bytes, which are more than can be counted",
                               rill::to_string(shape), name(dtype), bytes));
}

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
  throw ValueError(fmt::format("this tensor holds no value: {}", origins_of_none));
}

void detail::throw_no_value(const char* function, std::size_t argument) {
  throw ValueError(
      fmt::format("{}: argument {}: this tensor holds no value: {}", function, argument, origins_of_none));
}

void Tensor::destroy() noexcept {
  body_->storage->release();
  body_->~TensorBody();
  detail::deallocate(body_, sizeof(TensorBody));
}

Tensor TensorAccess::make(Storage* storage, std::int64_t offset, const Shape& shape, const Dims& strides,
                          DType dtype) {
  Tensor t;
  t.body_ = create_body(storage);
  if (shape.size() > most_axes)
    throw ShapeError(fmt::format("a tensor of {} axes; expected at most {}", shape.size(), most_axes));
  const auto n = detail::product(1, shape);
  if (!n) throw_too_large(shape, dtype);
  t.body_->offset = offset;
  t.body_->shape = shape;
  t.body_->strides = strides;
  t.body_->dtype = dtype;
  t.body_->count = *n;
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

Tensor TensorAccess::make(const Shape& shape, const Dims& strides, DType dtype) {
  const auto bytes = detail::product(static_cast<std::int64_t>(size_of(dtype)), shape);
  if (!bytes) throw_too_large(shape, dtype);
  Storage* storage = Storage::try_create(static_cast<std::size_t>(*bytes));
  if (!storage)
    throw Error(fmt::format("memory: {} of {} needs {} bytes, which the system does not have",
                            rill::to_string(shape), name(dtype), *bytes));
  return make(storage, 0, shape, strides, dtype);
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
  return TensorAccess::make(shape, row_major_strides(shape), dtype);
}

void Tensor::throw_does_not_hold(DType dtype, long double value) {
  throw ValueError(fmt::format("Tensor: {} does not hold {:.20g}", name(dtype), value));
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
  return detail::with_memory("to_vector", values.size(), sizeof(T),
                             [&] { return std::vector<T>(values.begin(), values.end()); });
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
