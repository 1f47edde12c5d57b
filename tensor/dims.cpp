#include "rill/tensor/dims.h"

#include <algorithm>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "rill/tensor/error.h"

namespace rill {

void Dims::grow(int needed) {
  constexpr int most = 1 << 24;
  if (needed < 0 || needed > most)
    throw ShapeError(fmt::format("a list of {} sizes or axes; expected 0 to {}", needed, most));
  const int capacity = std::max(needed, 2 * capacity_);
  auto* heap = new std::int64_t[static_cast<std::size_t>(capacity)];
  std::copy(begin(), end(), heap);
  drop();
  heap_ = heap;
  capacity_ = capacity;
}

void Dims::insert(int i, std::int64_t value) {
  push_back(value);
  std::rotate(begin() + i, end() - 1, end());
}

void Dims::erase(int i) {
  std::copy(begin() + i + 1, end(), begin() + i);
  --size_;
}

std::optional<std::int64_t> detail::product(std::int64_t factor, const Shape& shape) {
  bool is_empty = false, fits = true;
  for (auto size : shape) {
    if (size < 0) throw ShapeError(fmt::format("shape {} has a negative size", to_string(shape)));
    if (size == 0)
      is_empty = true;
    else
      fits &= !__builtin_mul_overflow(factor, size, &factor);
  }
  if (!fits) return std::nullopt;
  return is_empty ? 0 : factor;
}

std::int64_t count(const Shape& shape) {
  const auto n = detail::product(1, shape);
  if (!n) throw ShapeError(fmt::format("shape {} has more elements than int64 can count", to_string(shape)));
  return *n;
}

std::string to_string(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

Dims row_major_strides(const Shape& shape) {
  Dims strides(shape.size(), 1);
  for (int i = shape.size() - 2; i >= 0; --i) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* operation) {
  if (a == b) return a;
  const int rank = std::max(a.size(), b.size());
  Shape out(rank, 1);
  for (int i = 1; i <= rank; ++i) {
    const std::int64_t m = i <= a.size() ? a[a.size() - i] : 1;
    const std::int64_t n = i <= b.size() ? b[b.size() - i] : 1;
    if (m != n && m != 1 && n != 1)
      throw ShapeError(fmt::format("{}: shapes {} and {} do not broadcast: sizes {} and {} differ on axis {}",
                                   operation, to_string(a), to_string(b), m, n, -i));
    out[rank - i] = m == 1 ? n : m;
  }
  return out;
}

int normalize_axis(std::int64_t axis, int rank, const char* operation) {
  const std::int64_t from_front = axis < 0 ? axis + rank : axis;
  if (from_front < 0 || from_front >= rank)
    throw ShapeError(
        fmt::format("{}: axis {} is out of range for a tensor of rank {}", operation, axis, rank));
  return static_cast<int>(from_front);
}

Dims normalize_axes(const Dims& axes, int rank, const char* operation) {
  Dims out;
  if (axes.empty()) {
    for (int i = 0; i < rank; ++i) out.push_back(i);
    return out;
  }
  for (auto axis : axes) out.push_back(normalize_axis(axis, rank, operation));
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end())
    throw ShapeError(fmt::format("{}: axes {} name one axis twice", operation, to_string(axes)));
  return out;
}

}  // namespace rill
