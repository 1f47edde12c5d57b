#pragma once

#include <string>

#include "rill/nn/fields.h"
#include "rill/nn/initializers.h"

namespace rill::nn {

/// A vector for each of `count` symbols: int64 [...] -> [..., size].
struct Embedding {
  Parameter table;  ///< [count, size], U(-0.05, 0.05) unless another initialiser is given, as in Keras

  Embedding(std::int64_t count, std::int64_t size, const Initializer& initializer = {});
  /// Throws ValueError for a symbol that is not in [0, count), DTypeError for symbols that are not int64.
  Tensor operator()(const Tensor& symbols) const;
  Fields fields() { return {{"table", table}}; }
  std::string kind() const { return "Embedding"; }
};

}  // namespace rill::nn
