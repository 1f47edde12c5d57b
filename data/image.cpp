#include "rill/data/image.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#include <stb/stb_image.h>

#include <memory>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::data {

Tensor load_image(const std::string& path, std::int64_t height, std::int64_t width) {
  int columns = 0, rows = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load(path.c_str(), &columns, &rows, &channels, 1), stbi_image_free);
  if (!pixels)
    throw FileError(fmt::format("{}: cannot read this as a picture: {}", path, stbi_failure_reason()));
  if (rows != height || columns != width)
    throw FileError(
        fmt::format("{}: the picture is {} x {} pixels; expected {} x {} (ImageMagick: convert {} -resize "
                    "{}x{}! out.png)",
                    path, columns, rows, width, height, path, width, height));
  Tensor image = Tensor::empty({height, width});
  auto values = image.mutable_span<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(pixels.get()[i]) / 255;
  return image;
}

}  // namespace rill::data
