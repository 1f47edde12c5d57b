#pragma once

#include <cstdint>
#include <optional>

#include "rill/data/mnist.h"

namespace rill::data {

struct PixelMnistOptions {
  /// The seed of the order in which pixels come, the same for every image of both sets; unset: as they stand,
  /// row by row.
  std::optional<std::uint64_t> permutation_seed{};
};

/// MNIST one pixel at a time, plain or permuted: Le, Jaitly and Hinton 2015.
///
///   const auto [training, test] = data::pixel_mnist(data::load_mnist(folder), {.permutation_seed = 1});
///
/// Features float32 [batch, 784, 1] from 0 to 1, targets as they were, int64 [batch] from 0 to 9. Step t is
/// the pixel that the t-th number of Generator(seed).permutation(784) names. Shares the images' bytes and
/// converts a batch at a time. Takes images of any size.
Mnist pixel_mnist(const Mnist& images, const PixelMnistOptions& options = {});

/// What guessing evenly among ten digits gives.
struct PixelMnistBaseline {
  double cross_entropy;  ///< ln 10
  double accuracy;       ///< 1/10
};
PixelMnistBaseline pixel_mnist_baseline();

}  // namespace rill::data
