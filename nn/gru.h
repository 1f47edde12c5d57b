#pragma once

#include <optional>
#include <string>

#include "rill/nn/activation.h"
#include "rill/nn/initializers.h"
#include "rill/nn/linear.h"
#include "rill/nn/recurrent.h"

namespace rill::nn {

struct GRUCellOptions {
  Activation activation = Activation::tanh;
  Activation recurrent_activation = Activation::sigmoid;  ///< sigmoid or hard_sigmoid
  /// Whether the reset gate acts on the recurrent product (cuDNN, PyTorch, Keras's default) or on h before it
  /// (the paper).
  bool reset_after = true;
  /// When not 0, the biases of z are chrono(longest_dependency) (Tallec and Ollivier 2018).
  double longest_dependency = 0;
  Initializer kernel_initializer = {};     ///< glorot_uniform()
  Initializer recurrent_initializer = {};  ///< orthogonal()
};

/// Gated recurrent unit (Cho et al. 2014). With s the recurrent activation and a the activation:
///
///   z, r, n = parts of x kernel + bias, in this order, as in Keras
///   u, v, w = parts of h recurrent + recurrent_bias
///
///   z' = s(z + u)
///   r' = s(r + v)
///   n' = a(n + r' w)
///   h' = z' h + (1 - z') n'
///
/// With the reset before the product there is no recurrent_bias, and w is (r' h) recurrent_n, not multiplied
/// by r' again. The state is h. A trace has "hidden", "update" (z'), "reset" (r'), "candidate" (n') and their
/// arguments, such as "update_preactivation".
struct GRUCell {
  using State = Tensor;

  Linear input;                             ///< kernel [in, 3 hidden], bias [3 hidden]
  Parameter recurrent;                      ///< [hidden, 3 hidden]
  std::optional<Parameter> recurrent_bias;  ///< [3 hidden], with reset_after

  GRUCell(std::int64_t in, std::int64_t hidden, const GRUCellOptions& options = {});

  std::int64_t hidden_size() const { return recurrent.shape()[0]; }
  State operator()(Tensor projected, const State& state) const {
    return (*this)(std::move(projected), state, state);
  }
  State operator()(Tensor projected, const State& state, const Tensor& h) const;
  Fields fields() { return {{"input", input}, {"recurrent", recurrent}, {"recurrent_bias", recurrent_bias}}; }
  std::string kind() const { return "GRU"; }

 private:
  Activation activation_, recurrent_activation_;
};

struct GRUOptions {
  Activation activation = Activation::tanh;
  Activation recurrent_activation = Activation::sigmoid;
  bool reset_after = true;
  double longest_dependency = 0;
  std::int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;            ///< between layers
  double recurrent_dropout = 0;  ///< of h on its way into the recurrent product
  Initializer kernel_initializer = {};
  Initializer recurrent_initializer = {};
};

/// Layers of GRU cells. Defaults are Keras's: Glorot uniform kernels, orthogonal recurrent kernels, zero
/// biases.
class GRU : public Recurrent<GRUCell> {
 public:
  GRU(std::int64_t in, std::int64_t hidden, const GRUOptions& options = {});
};

}  // namespace rill::nn
