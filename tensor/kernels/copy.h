#pragma once

#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// A new contiguous tensor with the same elements.
Tensor copy(const Tensor& x);
/// x itself where it is contiguous, else a copy.
Tensor contiguous(const Tensor& x);
/// x itself where it has that dtype (and is not a weak scalar), else a converted copy. To int64 it truncates
/// towards zero; a value that int64 cannot hold, NaN included, throws ValueError.
Tensor cast(const Tensor& x, DType dtype);
/// Writes `source`, broadcast to the shape of `target`, into the elements that `target` views. Dtypes must
/// agree. The caller vouches that no other reader of target's storage minds.
void copy_into(const Tensor& source, const Tensor& target);
/// The same, adding to what is there.
void add_into(const Tensor& source, const Tensor& target);
void fill(const Tensor& target, double value);
Tensor full(const Shape& shape, double value, DType dtype);

/// The whole number that a value is. Throws ValueError, naming the operation, for a fraction and for what
/// int64 cannot hold.
std::int64_t whole(double value, const char* operation);
/// A value as an element of a new tensor, likewise; float32 rounds.
template <class T>
T element(double value, const char* operation) {
  if constexpr (std::same_as<T, std::int64_t>)
    return whole(value, operation);
  else
    return static_cast<T>(value);
}

}  // namespace rill::kernels
