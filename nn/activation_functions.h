#pragma once

// Private to nn/: activations as types, for lambdas given to `fused`.

#include "rill/autograd/fused.h"
#include "rill/nn/activation.h"

namespace rill::nn::activations {

struct Linear {
  template <class X>
  auto operator()(const X& x) const {
    return x;
  }
};
struct Tanh {
  template <class X>
  auto operator()(const X& x) const {
    return tanh(x);
  }
};
struct Relu {
  template <class X>
  auto operator()(const X& x) const {
    return relu(x);
  }
};
struct Sigmoid {
  template <class X>
  auto operator()(const X& x) const {
    return sigmoid(x);
  }
};
struct HardSigmoid {
  template <class X>
  auto operator()(const X& x) const {
    return minimum(maximum(x / 6 + 0.5, 0), 1);
  }
};

/// Calls f with the type of an activation.
template <class F>
auto with(Activation activation, F f) {
  switch (activation) {
    case Activation::tanh:
      return f(Tanh{});
    case Activation::relu:
      return f(Relu{});
    case Activation::sigmoid:
      return f(Sigmoid{});
    case Activation::hard_sigmoid:
      return f(HardSigmoid{});
    case Activation::linear:
      break;
  }
  return f(Linear{});
}

}  // namespace rill::nn::activations
