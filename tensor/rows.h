#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rill/tensor/packet.h"
#include "rill/tensor/tensor.h"

namespace rill::simd {

/// Elements [0, count) along the innermost axis of each operand. data[k] is null for an operand that is not
/// there; step[k] is 1, or 0 for one that repeats a single element.
struct Row {
  void* const* data;
  const std::int64_t* step;
  std::int64_t count;
  void* const* next = nullptr;  ///< where the next row's elements lie, if there is one
  const bool* adds = nullptr;   ///< if not null, which operands the results are added to
};

using RowKernel = void (*)(const void* context, const Row& row);

/// The shape that all inputs broadcast to. Throws ShapeError, and DTypeError unless all have one dtype;
/// numbers among the inputs take it.
Shape common_shape(std::span<Tensor> inputs, const char* operation);

/// An output for those inputs: of their common shape, and in the memory order of the first input that has it.
Tensor make_output(std::span<const Tensor> inputs, const Shape& shape, DType dtype);

/// Memory for a result that is to lie at a certain place: while one of these is in scope, the first
/// elementwise or fused output of its shape and dtype that this thread makes is that memory. It must be
/// nobody else's to read until then. Without a value it asks for nothing.
class OutputPlace {
 public:
  explicit OutputPlace(Tensor memory);
  ~OutputPlace();
  OutputPlace(const OutputPlace&) = delete;
  OutputPlace& operator=(const OutputPlace&) = delete;
  /// Whether an output of this thread is still to lie at a place.
  static bool waits() { return waiting_ != nullptr; }
  /// While one is: that memory, once, if it has this shape and dtype; else no value.
  static Tensor take(const Shape& shape, DType dtype);

 private:
  static thread_local constinit Tensor* waiting_;
  Tensor memory_;
  Tensor* before_;
};

/// A result that is wanted summed over the axes along which one of the inputs repeats, such as the gradient
/// of a bias.
struct Sum {
  std::size_t input, output;  ///< places among the operands; the output holds no value
  Tensor value;  ///< set by `run`: broadcasts of the input's shape, whose sum to that shape is the result
};

/// Calls the kernel over all elements of `shape`, row by row, spread over the threads. Operands broadcast to
/// `shape`; those from `first_written` on are written to and have that shape; one that holds no value and is
/// not the output of a sum is passed as null. At most 128 operands. A thread takes about `part_size` elements
/// at once, more where there is little work for each or where there are sums.
void run(const Shape& shape, std::span<const Tensor> operands, std::size_t first_written, RowKernel kernel,
         const void* context, std::span<Sum> sums = {}, std::int64_t part_size = 4096);

/// How many rows that many columns wide a part sums, where each part has sums of its own: about `part_size`
/// elements, and so that there are few parts, but none so long that rounding is felt.
std::int64_t rows_per_sum(std::int64_t rows, std::int64_t columns, std::int64_t part_size);

/// Copies elements between tensors of one shape and dtype, whatever their layouts.
void copy_elements(const Tensor& from, const Tensor& to);

/// The elements from p on, of which only `left` may be there. The last ones go through the same instructions
/// as the others.
template <class T>
[[gnu::always_inline]] inline Packet<T> load(const T* p, std::int64_t left) {
  if (left >= Packet<T>::width) [[likely]]
    return Packet<T>::load(p);
  alignas(64) T padded[Packet<T>::width] = {};
  for (std::int64_t i = 0; i < left; ++i) padded[i] = p[i];
  return Packet<T>::load(padded);
}
template <class T>
[[gnu::always_inline]] inline void store(T* p, std::int64_t left, Packet<T> value) {
  if (left >= Packet<T>::width) [[likely]]
    return value.store(p);
  alignas(64) T padded[Packet<T>::width];
  value.store(padded);
  for (std::int64_t i = 0; i < left; ++i) p[i] = padded[i];
}

/// Elements at, at + 1, ... of operand k; `left` are left of the row.
template <class T>
[[gnu::always_inline]] inline Packet<T> load(const Row& row, std::size_t k, std::int64_t at,
                                             std::int64_t left) {
  const T* p = static_cast<const T*>(row.data[k]);
  return row.step[k] == 0 ? Packet<T>(*p) : load(p + at, left);
}

/// Asks for what the same place of the next row will be read from.
template <class T>
[[gnu::always_inline]] inline void prefetch_next(const Row& row, std::size_t k, std::int64_t at) {
  __builtin_prefetch(static_cast<const T*>(row.next[k]) + at * row.step[k]);
}

template <class T>
[[gnu::always_inline]] inline void store(const Row& row, std::size_t k, std::int64_t at, std::int64_t left,
                                         Packet<T> value) {
  store(static_cast<T*>(row.data[k]) + at, left, value);
}

}  // namespace rill::simd
