#include "rill/data/image.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "fmt/format.h"
#include "rill/data/image_reader.h"
#include "rill/tensor/error.h"

namespace rill::data {
namespace detail {

GreyImage::GreyImage(const std::string& path, std::int64_t height, std::int64_t width,
                     std::int64_t max_pixels)
    : path_(path), height_(height), width_(width), max_pixels_(max_pixels) {}

void GreyImage::check_size(std::uint64_t rows, std::uint64_t columns) const {
  const auto height = static_cast<std::uint64_t>(height_), width = static_cast<std::uint64_t>(width_);
  if (rows != height || columns != width)
    throw FileError(
        fmt::format("{}: the picture is {} x {} pixels; expected {} x {} (ImageMagick: convert {} -resize "
                    "{}x{}! out.png)",
                    path_, columns, rows, width, height, path_, width, height));
  if (rows > static_cast<std::uint64_t>(max_pixels_) / columns)
    throw FileError(fmt::format("{}: the picture is {} x {} pixels, more than ImageOptions::max_pixels = {}",
                                path_, columns, rows, max_pixels_));
}

void GreyImage::allocate() {
  tensor_ = Tensor::empty({height_, width_});
  pixels_ = rill::detail::TensorAccess::raw<float>(tensor_);
}

}  // namespace detail

namespace {

using Reader = void (*)(detail::InputFile&, detail::GreyImage&);

// The reader for what begins with these bytes; none where no format begins so.
Reader reader_of(std::string_view start) {
  if (start.starts_with("\x89PNG\r\n\x1a\n")) return detail::read_png;
  if (start.starts_with("\xff\xd8\xff")) return detail::read_jpeg;
  if (start.starts_with("BM")) return detail::read_bmp;
  if (start.starts_with("P2") || start.starts_with("P5")) return detail::read_pgm;
  return nullptr;
}

void check_least(const char* what, std::int64_t value) {
  if (value < 1) throw ValueError(fmt::format("load_image: {} of {}; expected at least 1", what, value));
}

}  // namespace

Tensor load_image(const std::string& path, std::int64_t height, std::int64_t width,
                  const ImageOptions& options) {
  check_least("a height", height);
  check_least("a width", width);
  check_least("max_pixels", options.max_pixels);
  detail::InputFile file(path);
  std::array<std::uint8_t, 8> start{};
  const std::size_t count = file.read(start);
  file.rewind();
  const Reader read = reader_of({reinterpret_cast<const char*>(start.data()), count});
  if (!read)
    throw FileError(fmt::format("{}: {} is not a PNG, JPEG, BMP or PGM picture", path,
                                count == 0 ? "an empty file" : "the file"));
  detail::GreyImage image(path, height, width, options.max_pixels);
  read(file, image);
  return image.tensor();
}

}  // namespace rill::data
