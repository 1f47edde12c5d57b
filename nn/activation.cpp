#include "rill/nn/activation.h"

#include "rill/nn/activation_functions.h"

namespace rill::nn {

std::string_view name(Activation activation) {
  switch (activation) {
    case Activation::linear:
      return "linear";
    case Activation::tanh:
      return "tanh";
    case Activation::relu:
      return "relu";
    case Activation::sigmoid:
      return "sigmoid";
    case Activation::hard_sigmoid:
      return "hard_sigmoid";
  }
  return "unknown";
}

Tensor activate(const Tensor& x, Activation activation) {
  rill::detail::require_values("activate", x);
  return activations::with(activation, [&](auto f) -> Tensor { return f(x); });
}

}  // namespace rill::nn
