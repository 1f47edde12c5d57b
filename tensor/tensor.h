#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rill/tensor/dims.h"
#include "rill/tensor/dtype.h"
#include "rill/tensor/storage.h"

namespace rill {

class Tensor;

namespace detail {

/// Where on which tape a tensor was made. Only autograd/ reads it.
struct TapeSlot {
  std::uint64_t tape = 0;    ///< the recording it belongs to; 0: none
  std::uint32_t value = 0;   ///< its place there
  std::uint32_t serial = 0;  ///< tells it from a later value at that place
};

/// What a Tensor points to. Never changed once a second Tensor shares it.
struct TensorBody {
  std::atomic<std::int32_t> references{1};
  DType dtype = DType::float32;
  /// Others share the storage, but none of them these elements.
  std::atomic<bool> alone{false};
  bool weak : 1 = false;       ///< a C++ number, which takes the dtype of the tensor it meets
  bool contiguous : 1 = true;  ///< row-major without gaps
  bool reused : 1 = false;     ///< a parameter's value: worth packing for matrix products
  /// A span to write to the elements was handed out, so they may change at any time. No other Tensor shares
  /// the body or the storage: whatever would gets a copy.
  bool exposed : 1 = false;
  Storage* storage = nullptr;
  std::int64_t offset = 0;  ///< of the first element, in elements
  std::int64_t count = 0;
  Shape shape;
  Dims strides;  ///< in elements; 0 repeats an element
  TapeSlot slot;
};
static_assert(sizeof(TensorBody) <= 128, "a long chain of small operations is mostly these");

struct TensorAccess;

}  // namespace detail

/// An n-dimensional array: an element type, a shape and storage that is shared until it is written to.
///
/// Copying a Tensor copies a pointer. A value never changes under another Tensor that shares its storage:
/// writing (`mutable_span`) copies first unless this tensor is the only owner, and once a span to write to
/// was handed out, copies, views and tapes get elements of their own. A default-constructed Tensor holds no
/// value; so does the gradient of a source that the target does not depend on. Operations are free functions
/// in `rill/autograd/ops.h`. Tensors may be read by several threads at once.
class Tensor {
 public:
  /// No value: `defined()` is false and every operation throws ValueError.
  Tensor() = default;
  /// A scalar that takes the dtype of the tensor it meets in an operation; until then it is a float64 (from a
  /// floating number) or an int64 (from an integer). Throws ValueError for a number that this does not hold.
  template <class T>
  requires std::integral<T> || std::floating_point<T> Tensor(T value)
      : Tensor(from_number(value)) {}  // NOLINT: a number is a tensor

  Tensor(const Tensor& other) : body_(other.body_) {
    if (!body_) return;
    if (body_->exposed) [[unlikely]]
      body_ = copy_of(*body_);
    else
      body_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Tensor(Tensor&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  Tensor& operator=(const Tensor& other) {
    Tensor(other).swap(*this);
    return *this;
  }
  Tensor& operator=(Tensor&& other) noexcept {
    Tensor(std::move(other)).swap(*this);
    return *this;
  }
  ~Tensor() {
    if (!body_) return;
    auto& references = body_->references;
    // As in Storage::release.
    if (references.load(std::memory_order_acquire) == 1 ||
        references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      destroy();
  }
  void swap(Tensor& other) noexcept { std::swap(body_, other.body_); }

  /// Uninitialised elements in row-major order. Throws ShapeError for a negative size and for more bytes than
  /// can be counted, Error for more than the system has; both name the shape and the bytes.
  static Tensor empty(const Shape& shape, DType dtype = DType::float32);
  /// Copies `values` into a new tensor of that shape. Throws ShapeError when the number of elements differs.
  template <Element T>
  static Tensor from(std::span<const T> values, const Shape& shape);
  template <Element T>
  static Tensor from(const std::vector<T>& values) {
    return from(std::span<const T>(values), Shape{static_cast<std::int64_t>(values.size())});
  }
  template <Element T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }

  bool defined() const noexcept { return body_ != nullptr; }

  // All of these throw ValueError on a tensor that holds no value.
  const Shape& shape() const { return body().shape; }
  std::int64_t size(std::int64_t axis) const;  ///< negative axes count from the end; throws ShapeError
  int rank() const { return body().shape.size(); }
  std::int64_t count() const { return body().count; }
  DType dtype() const { return body().dtype; }
  const Dims& strides() const { return body().strides; }
  bool is_contiguous() const { return body().contiguous; }

  /// The one element of a tensor of one element, of any dtype. Throws ShapeError when there are more or
  /// fewer.
  double item() const;
  /// The elements in row-major order. Throws DTypeError when T is not the dtype, ShapeError when the tensor
  /// is not contiguous (take `contiguous(x)` first). The span lives as long as the tensor.
  template <Element T>
  std::span<const T> span() const;
  /// The same to write to; makes this tensor the contiguous sole owner of its elements first. Good until the
  /// tensor is assigned to or dies; an optimiser's update goes to the same elements. As long, a copy of the
  /// tensor copies the elements as they are then, and a weight is copied where it is used and not packed for
  /// products, which makes them slower: to set one for good, assign Tensor::from, or a copy of the tensor to
  /// itself.
  template <Element T>
  std::span<T> mutable_span();
  /// A copy of the elements in row-major order, converted to T. Works for every dtype and layout.
  template <Element T>
  std::vector<T> to_vector() const;

 private:
  friend struct detail::TensorAccess;
  const detail::TensorBody& body() const {
    if (!body_) throw_undefined();
    return *body_;
  }
  [[noreturn]] static void throw_undefined();
  [[noreturn]] static void throw_does_not_hold(DType dtype, long double value);
  template <class T>
  static Tensor from_number(T value) {
    if constexpr (std::integral<T>) {
      const auto number = static_cast<std::int64_t>(value);
      // What wraps around changes its sign or its value.
      if (static_cast<T>(number) != value || (number < 0) != (value < T{}))
        throw_does_not_hold(DType::int64, static_cast<long double>(value));
      return weak_scalar(number);
    } else {
      if constexpr (sizeof(T) > sizeof(double)) {
        constexpr T largest = std::numeric_limits<double>::max(), beyond = std::numeric_limits<T>::max();
        if ((value > largest && value <= beyond) || (value < -largest && value >= -beyond))
          throw_does_not_hold(DType::float64, value);
      }
      return weak_scalar(static_cast<double>(value));
    }
  }
  static Tensor weak_scalar(double value);
  static Tensor weak_scalar(std::int64_t value);
  static detail::TensorBody* copy_of(const detail::TensorBody& body);
  void destroy() noexcept;

  detail::TensorBody* body_ = nullptr;
};

/// The elements as NumPy prints them.
std::string to_string(const Tensor& tensor);

namespace detail {

[[noreturn]] void throw_no_value(const char* function, std::size_t argument);
/// Throws ValueError, naming the function and the number of the argument, for one that holds no value.
template <std::same_as<Tensor>... T>
void require_values(const char* function, const T&... arguments) {
  std::size_t argument = 0;
  const auto require = [&](const Tensor& x) {
    ++argument;
    if (!x.defined()) [[unlikely]]
      throw_no_value(function, argument);
  };
  (require(arguments), ...);
}

/// What kernels and the tape see of a tensor and users do not.
struct TensorAccess {
  /// A tensor over storage of its own, of uninitialised elements, which fill it in the order of the strides.
  static Tensor make(const Shape& shape, const Dims& strides, DType dtype);
  /// A tensor over a storage, taking over one reference to it, also when it throws ShapeError for a shape
  /// with too many elements or axes.
  static Tensor make(Storage* storage, std::int64_t offset, const Shape& shape, const Dims& strides,
                     DType dtype);
  /// Another view of the same elements, which then are not `base`'s alone; of a copy where they are exposed.
  /// No bounds are checked.
  static Tensor view(const Tensor& base, std::int64_t offset, const Shape& shape, const Dims& strides);
  static const TensorBody& body(const Tensor& t) { return t.body(); }
  static TensorBody& mutable_body(Tensor& t) { return *t.body_; }
  /// Whether no other Tensor shares the body, so that its slot may be set.
  static bool sole_handle(const Tensor& t) {
    return t.body_->references.load(std::memory_order_acquire) == 1;
  }
  static bool sole_owner(const Tensor& t) {
    return t.body_ && t.body_->references.load(std::memory_order_acquire) == 1 && t.body_->storage->unique();
  }
  /// Whether t may be changed at will: no other Tensor sees its elements, nor does a span.
  static bool owns_elements(const Tensor& t) {
    return t.body_ && !t.body_->exposed && sole_handle(t) &&
           (t.body_->storage->unique() || t.body_->alone.load(std::memory_order_relaxed));
  }
  /// Says so of a view among several that do not overlap, whose base is gone.
  static void set_alone(Tensor& t) { t.body_->alone.store(true, std::memory_order_relaxed); }
  /// The first element, for reading.
  template <class T>
  static const T* data(const Tensor& t) {
    return reinterpret_cast<const T*>(t.body().storage->bytes()) + t.body_->offset;
  }
  /// The first element, for filling a tensor that was just made or whose owner accepts the write.
  template <class T>
  static T* raw(const Tensor& t) {
    return reinterpret_cast<T*>(t.body().storage->bytes()) + t.body_->offset;
  }
  /// The elements of a tensor that was just made, to be filled by who made it.
  template <class T>
  static std::span<T> fill(Tensor& t) {
    return {raw<T>(t), static_cast<std::size_t>(t.count())};
  }
  /// Makes `t` the sole, contiguous owner of its elements and drops what was derived from them.
  static void make_writable(Tensor& t);
  static bool is_exposed(const Tensor& t) { return t.body_ && t.body_->exposed; }
};

/// While one is in scope, the sole owner t counts as not exposed: so that what writes to it in place can pass
/// it on.
class WriteExposed {
 public:
  explicit WriteExposed(Tensor& t) : t_(t), was_(TensorAccess::is_exposed(t)) {
    if (was_) TensorAccess::mutable_body(t_).exposed = false;
  }
  ~WriteExposed() {
    if (was_) TensorAccess::mutable_body(t_).exposed = true;
  }
  WriteExposed(const WriteExposed&) = delete;
  WriteExposed& operator=(const WriteExposed&) = delete;

 private:
  Tensor& t_;
  bool was_;
};

}  // namespace detail

}  // namespace rill
