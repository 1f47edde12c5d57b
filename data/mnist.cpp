#include "rill/data/mnist.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "fmt/format.h"
#include "rill/data/idx.h"
#include "rill/tensor/error.h"

namespace rill::data {
namespace {

constexpr std::int64_t side = 28;
constexpr std::uint8_t classes = 10;

std::string find(const std::string& folder, const std::string& name) {
  const std::string plain = (std::filesystem::path(folder) / name).string();
  // Of a file that cannot be seen for another reason, opening it says why.
  for (const std::string& path : {plain, plain + ".gz"}) {
    std::error_code ignored;
    if (std::filesystem::status(path, ignored).type() != std::filesystem::file_type::not_found) return path;
  }
  throw FileError(fmt::format("{}: not there, nor with .gz; scripts/fetch_mnist.sh fetches it", plain));
}

Dataset load(const std::string& folder, const std::string& part) {
  const std::string image_path = find(folder, part + "-images-idx3-ubyte");
  const std::string label_path = find(folder, part + "-labels-idx1-ubyte");
  Idx images = detail::read_idx(image_path, 3, [&](const Shape& shape) {
    if (shape[1] != side || shape[2] != side)
      throw FileError(fmt::format("{}: images of {} x {}, where MNIST has {} x {}", image_path, shape[1],
                                  shape[2], side, side));
  });
  Idx labels = detail::read_idx(label_path, 1, [&](const Shape& shape) {
    if (shape[0] != images.shape[0])
      throw FileError(fmt::format("{} holds {} images, but {} holds {} labels", image_path, images.shape[0],
                                  label_path, shape[0]));
  });
  const auto wrong =
      std::find_if(labels.bytes.begin(), labels.bytes.end(), [](auto label) { return label >= classes; });
  if (wrong != labels.bytes.end())
    throw FileError(fmt::format("{}: label {} at index {} is not a digit from 0 to {}", label_path, *wrong,
                                wrong - labels.bytes.begin(), classes - 1));
  return Dataset::from_bytes(std::move(images.bytes), {side, side}, std::move(labels.bytes));
}

}  // namespace

Mnist load_mnist(const std::string& folder) { return {load(folder, "train"), load(folder, "t10k")}; }

}  // namespace rill::data
