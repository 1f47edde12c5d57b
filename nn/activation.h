#pragma once

#include <cstdint>
#include <string_view>

#include "rill/tensor/tensor.h"

namespace rill::nn {

enum class Activation : std::uint8_t {
  linear,  ///< x
  tanh,
  relu,          ///< max(x, 0)
  sigmoid,       ///< 1 / (1 + exp(-x))
  hard_sigmoid,  ///< min(max(x / 6 + 1/2, 0), 1)
};

std::string_view name(Activation activation);
Tensor activate(const Tensor& x, Activation activation);

}  // namespace rill::nn
