#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "rill/tensor/dims.h"

namespace rill::data {

/// What an IDX file of unsigned bytes holds: a shape and its elements in row-major order.
struct Idx {
  Shape shape;
  std::vector<std::uint8_t> bytes;
};

/// Reads an IDX file of unsigned bytes with that number of axes, plain or compressed by gzip. Throws
/// FileError, naming the file, when it cannot be read or is not a regular file, when its first four bytes are
/// other than 0, 0, 8 and `rank`, when it holds fewer or more bytes than its sizes promise, or when its gzip
/// data is damaged; ValueError unless 0 <= rank <= 255. Memory grows with what the file holds, not with what
/// it promises. The format is described on the page of the MNIST database (LeCun, Cortes and Burges).
Idx read_idx(const std::string& path, int rank);

namespace detail {
/// The same. `check` is given the shape before memory is taken for the elements, and may throw.
Idx read_idx(const std::string& path, int rank, const std::function<void(const Shape&)>& check);
}  // namespace detail

}  // namespace rill::data
