#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace rill {

/// A short list of sizes, strides or axes: up to four stand inside the object, longer lists on the heap. Most
/// hold one to three, which loops copy and compare faster than calls of memcpy and memcmp.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values) : Dims(values.begin(), values.end()) {}
  explicit Dims(std::span<const std::int64_t> values) : Dims(values.begin(), values.end()) {}
  Dims(int count, std::int64_t value) {
    resize(count);
    for (int i = 0; i < count; ++i) (*this)[i] = value;
  }
  template <std::input_iterator I>
  Dims(I first, I last) {
    constexpr std::ptrdiff_t most = std::numeric_limits<int>::max();
    resize(static_cast<int>(std::min<std::ptrdiff_t>(std::distance(first, last), most)));
    for (auto& v : *this) v = *first++;
  }
  Dims(const Dims& other) { *this = other; }
  Dims(Dims&& other) noexcept { take(other); }
  Dims& operator=(const Dims& other) {
    if (this == &other) return *this;
    if (other.size_ > capacity_) grow(other.size_);
    size_ = other.size_;
    std::int64_t* to = data();
    const std::int64_t* from = other.data();
    for (int i = 0; i < size_; ++i) to[i] = from[i];
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    if (this == &other) return *this;
    drop();
    take(other);
    return *this;
  }
  ~Dims() { drop(); }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t* data() { return is_inline() ? inline_ : heap_; }
  const std::int64_t* data() const { return is_inline() ? inline_ : heap_; }
  std::int64_t* begin() { return data(); }
  std::int64_t* end() { return data() + size_; }
  const std::int64_t* begin() const { return data(); }
  const std::int64_t* end() const { return data() + size_; }
  std::int64_t& operator[](int i) { return data()[i]; }
  std::int64_t operator[](int i) const { return data()[i]; }
  std::int64_t& back() { return data()[size_ - 1]; }
  std::int64_t back() const { return data()[size_ - 1]; }

  /// New elements hold 0. Throws ShapeError below 0 and for more than any list has, 2^24.
  void resize(int size) {
    if (static_cast<unsigned>(size) > static_cast<unsigned>(capacity_)) grow(size);
    for (int i = size_; i < size; ++i) data()[i] = 0;
    size_ = size;
  }
  void push_back(std::int64_t value) {
    resize(size_ + 1);
    back() = value;
  }
  /// Inserts before position i.
  void insert(int i, std::int64_t value);
  void erase(int i);

  bool operator==(const Dims& other) const {
    if (size_ != other.size_) return false;
    for (int i = 0; i < size_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

 private:
  static constexpr int inline_capacity = 4;

  bool is_inline() const { return capacity_ == inline_capacity; }
  void grow(int needed);
  /// Leaves the other one empty; what this one had is dropped already.
  void take(Dims& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, inline_capacity);
    if (!is_inline())
      heap_ = other.heap_;
    else
      for (int i = 0; i < size_; ++i) inline_[i] = other.inline_[i];
  }
  void drop() noexcept {
    if (!is_inline()) delete[] heap_;
  }

  union {
    std::int64_t inline_[inline_capacity];
    std::int64_t* heap_;
  };
  int size_ = 0;
  int capacity_ = inline_capacity;
};

/// The sizes of a tensor's axes; no axes for a scalar.
using Shape = Dims;

/// The number of elements of a shape: the product of its sizes, 1 for a scalar. Throws ShapeError for a
/// negative size, and where the product of the sizes that are not 0 is beyond int64.
std::int64_t count(const Shape& shape);

namespace detail {
/// The same times `factor`, which is above 0; nothing where it is beyond int64.
std::optional<std::int64_t> product(std::int64_t factor, const Shape& shape);
}  // namespace detail

/// "[32, 28]"
std::string to_string(const Dims& dims);

/// The strides, in elements, of a contiguous row-major tensor.
Dims row_major_strides(const Shape& shape);

/// The shape that two shapes broadcast to by NumPy's rule. Throws ShapeError, naming `operation`.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* operation);

/// An axis counted from the front: -1 is the last. Throws ShapeError, naming `operation`, when it is out of
/// range.
int normalize_axis(std::int64_t axis, int rank, const char* operation);

/// The same for several axes, each at most once; in rising order. No axes at all means all of them.
Dims normalize_axes(const Dims& axes, int rank, const char* operation);

}  // namespace rill
