#include "rill/data/pixel_mnist.h"

#include <cmath>

#include "rill/tensor/create.h"

namespace rill::data {
namespace {

Dataset sequences(const Dataset& images, const std::optional<std::uint64_t>& permutation_seed) {
  const std::int64_t pixels = count(images.feature_shape());
  const Tensor order = permutation_seed ? Generator(*permutation_seed).permutation(pixels) : arange(pixels);
  return images.rearranged({pixels, 1}, order.to_vector<std::int64_t>());
}

}  // namespace

Mnist pixel_mnist(const Mnist& images, const PixelMnistOptions& options) {
  return {sequences(images.training, options.permutation_seed),
          sequences(images.test, options.permutation_seed)};
}

PixelMnistBaseline pixel_mnist_baseline() { return {std::log(10.0), 0.1}; }

}  // namespace rill::data
