#pragma once

#include <cstdint>
#include <string>

#include "rill/tensor/tensor.h"

namespace rill::data {

struct ImageOptions {
  /// A picture of more pixels is refused before memory is taken for it. Decoding takes up to 12 bytes a
  /// pixel.
  std::int64_t max_pixels = 64 << 20;
};

/// A picture as grey values float32 [height, width] from 0, black, to 1, white.
///
/// The first bytes of the file say what it is, not its name. Read are PNG (all kinds), JPEG (8 bits, also
/// progressive; grey, YCbCr, RGB, CMYK), BMP (1, 4, 8, 16, 24 or 32 bits, not compressed) and PGM (P2 and P5,
/// the first picture of the file). The largest value of the file's format becomes 1: 65535 where there are 16
/// bits, what its header says in a PGM. Colours become grey as 0.299 red + 0.587 green + 0.114 blue, as the
/// file has them; colour profiles and gamma are not applied. What is transparent is laid over white, so black
/// ink on a transparent ground is as black ink on paper; MNIST has white ink on black, which is
/// `1 - load_image(...)` of that. The rotation that a camera notes (EXIF) is not applied.
///
/// Throws FileError, naming the file, for one that cannot be read or is not a regular file, that is not such
/// a picture or is damaged or cut off, and for a picture of another size, which the message tells how to
/// change, or of more than `options.max_pixels` pixels; ValueError for a height, width or limit below 1.
Tensor load_image(const std::string& path, std::int64_t height, std::int64_t width,
                  const ImageOptions& options = {});

}  // namespace rill::data
