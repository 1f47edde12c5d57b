#pragma once

#include <cstdint>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::fuse {

/// Elements [0, count) along the innermost axis of each operand. data[k] is null for an operand that is not there;
/// step[k] is 1, or 0 for one that repeats a single element.
struct Row {
  void* const* data;
  const std::int64_t* step;
  std::int64_t count;
};

using RowKernel = void (*)(const void* context, const Row& row);

/// The shape that all inputs broadcast to. Throws ShapeError, and DTypeError unless all have one floating dtype; numbers
/// among the inputs take it.
Shape common_shape(std::vector<Tensor>& inputs);

/// An output for those inputs: of their common shape, and in the memory order of the inputs that have it.
Tensor make_output(const std::vector<Tensor>& inputs, const Shape& shape);

/// Calls the kernel over all elements of `shape`, row by row, spread over the threads. Operands broadcast to `shape`;
/// those from `first_written` on are written to and have that shape; one that holds no value is passed as null.
void run(const Shape& shape, std::vector<Tensor> operands, std::size_t first_written, RowKernel kernel,
         const void* context);

}  // namespace rill::fuse
