#pragma once

#include <string>

#include "rill/tensor/tensor.h"

namespace rill::data {

/// A picture (PNG, JPEG, BMP, PGM, ...) as grey values float32 [height, width] from 0, black, to 1, white.
/// Throws FileError for a file that is no picture, and for one of another size, which the message tells how
/// to change.
Tensor load_image(const std::string& path, std::int64_t height, std::int64_t width);

}  // namespace rill::data
