#include "rill/data/pixel_mnist.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "rill/nn/loss.h"
#include "rill/tensor/create.h"
#include "tests/catch.h"

namespace {

using namespace rill;
using Pixels = std::vector<float>;

// Images of 28 x 28 bytes that all differ from their neighbours, with the labels 0, 1, ...
data::Dataset images(std::size_t size) {
  std::vector<std::uint8_t> bytes(size * 784);
  std::vector<std::uint8_t> labels(size);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 % 251);
  for (std::size_t i = 0; i < size; ++i) labels[i] = static_cast<std::uint8_t>(i % 10);
  return data::Dataset::from_bytes(std::move(bytes), {28, 28}, std::move(labels));
}

Pixels pixels(const data::Dataset& dataset, std::int64_t i) { return dataset[i].features.to_vector<float>(); }

}  // namespace

TEST_CASE("pixel by pixel MNIST is the images' pixels, row by row", "[data][tasks]") {
  const data::Mnist mnist{images(6), images(3)};
  const auto [training, test] = data::pixel_mnist(mnist);
  CHECK(training.size() == 6);
  CHECK(test.size() == 3);
  CHECK(training.feature_shape() == Shape{784, 1});
  CHECK(training.rows(0, 6).features.dtype() == DType::float32);
  for (std::int64_t i = 0; i < 3; ++i) CHECK(pixels(test, i) == pixels(mnist.test, i));
  CHECK(training.rows(0, 6).targets.to_vector<std::int64_t>() ==
        mnist.training.rows(0, 6).targets.to_vector<std::int64_t>());
}

TEST_CASE("permuted MNIST moves the pixels of all images of both sets alike", "[data][tasks]") {
  const data::Mnist mnist{images(6), images(3)};
  const auto [training, test] = data::pixel_mnist(mnist, {.permutation_seed = 9});
  Generator generator(9);
  const auto order = generator.permutation(784).to_vector<std::int64_t>();
  for (const auto& [plain, permuted] : {std::pair{mnist.training, training}, std::pair{mnist.test, test}})
    for (std::int64_t i = 0; i < plain.size(); ++i) {
      const Pixels before = pixels(plain, i);
      const Pixels after = pixels(permuted, i);
      CHECK(before != after);
      for (std::size_t t = 0; t < 784; ++t)
        if (after[t] != before[static_cast<std::size_t>(order[t])]) FAIL("step " << t << " of image " << i);
    }
  CHECK(training[4].targets.item() == 4);
}

TEST_CASE("the same seed permutes the same way, another seed another", "[data][tasks]") {
  const data::Mnist mnist{images(2), images(1)};
  const auto first = [&mnist](std::uint64_t seed) {
    return pixels(data::pixel_mnist(mnist, {.permutation_seed = seed}).training, 0);
  };
  CHECK(first(1) == first(1));
  CHECK(first(1) != first(2));
}

TEST_CASE("pixel sequences keep bytes and convert a batch at a time", "[data][tasks]") {
  const data::Mnist mnist{images(1000), images(1)};
  const std::int64_t before = memory_statistics().in_use;
  const auto training = data::pixel_mnist(mnist, {.permutation_seed = 1}).training;
  CHECK(training.bytes() == mnist.training.bytes());
  CHECK(memory_statistics().in_use == before);
  for (const data::Batch& batch : training.batches(32)) {
    CHECK(batch.features.size(1) == 784);
    CHECK(memory_statistics().in_use - before < 2 * 32 * 784 * 4);
  }
}

TEST_CASE("guessing scores the baseline of pixel by pixel MNIST", "[data][tasks]") {
  const Tensor labels = images(20).rows(0, 20).targets;
  const auto [cross_entropy, accuracy] = data::pixel_mnist_baseline();
  CHECK(nn::cross_entropy(zeros({20, 10}), labels).item() == Approx(cross_entropy).epsilon(1e-6));
  CHECK(accuracy == 0.1);
}
