#pragma once

#include <cstdint>
#include <string>

#include "rill/data/image.h"
#include "rill/data/input_file.h"

namespace rill::data::detail {

/// The picture that a reader fills, in grey.
class GreyImage {
 public:
  GreyImage(const std::string& path, std::int64_t height, std::int64_t width, std::int64_t max_pixels);

  /// Throws FileError unless the file's picture, as its header gives it, has the size that is wanted and
  /// stays within the limit. A reader calls it before it takes memory.
  void check_size(std::uint64_t rows, std::uint64_t columns) const;
  /// Takes the memory.
  void allocate();
  float* row(std::int64_t i) { return pixels_ + i * width_; }

  std::int64_t height() const { return height_; }
  std::int64_t width() const { return width_; }
  Tensor tensor() const { return tensor_; }

 private:
  std::string path_;
  std::int64_t height_, width_, max_pixels_;
  Tensor tensor_;
  float* pixels_ = nullptr;
};

/// A colour over white as a grey value from 0 to 1. All five numbers lie from 0 to `most`, at most 65535.
inline float grey(std::uint64_t red, std::uint64_t green, std::uint64_t blue, std::uint64_t alpha,
                  std::uint64_t most) {
  // Whole numbers, so that a grey pixel v is v / most to the last bit.
  const std::uint64_t luma = 299 * red + 587 * green + 114 * blue;
  const std::uint64_t over_white = luma * alpha + 1000 * most * (most - alpha);
  return static_cast<float>(static_cast<double>(over_white) / static_cast<double>(1000 * most * most));
}

/// Each reads the file from its beginning and checks the size before it allocates.
void read_png(InputFile& file, GreyImage& image);
void read_jpeg(InputFile& file, GreyImage& image);
void read_bmp(InputFile& file, GreyImage& image);
void read_pgm(InputFile& file, GreyImage& image);

}  // namespace rill::data::detail
