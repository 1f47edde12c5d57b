#pragma once

#include <string>

#include "rill/data/dataset.h"

namespace rill::data {

/// 60,000 images of handwritten digits to learn from and 10,000 to test with: features float32 [batch, 28,
/// 28] from 0 to 1, targets int64 [batch] from 0 to 9.
struct Mnist {
  Dataset training;
  Dataset test;
};

/// Reads the four MNIST files from a folder, each under its usual name (`train-images-idx3-ubyte`), plain or
/// with `.gz`. `scripts/fetch_mnist.sh` fetches them. Throws FileError, naming the file, when one is missing
/// or is no such IDX file, when images are not 28 x 28, when a label is not a digit, or when images and
/// labels differ in number.
Mnist load_mnist(const std::string& folder);

}  // namespace rill::data
