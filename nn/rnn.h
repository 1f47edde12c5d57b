#pragma once

#include <string>

#include "rill/nn/activation.h"
#include "rill/nn/initializers.h"
#include "rill/nn/linear.h"
#include "rill/nn/recurrent.h"

namespace rill::nn {

struct RNNCellOptions {
  Activation activation = Activation::tanh;
  Initializer kernel_initializer = {};  ///< glorot_uniform()
  Initializer recurrent_initializer =
      {};  ///< orthogonal(); identity() with relu makes an IRNN (Le et al. 2015)
};

/// h' = a(x kernel + bias + h recurrent) (Elman 1990). The state is h.
struct RNNCell {
  using State = Tensor;

  Linear input;         ///< kernel [in, hidden], bias [hidden]
  Parameter recurrent;  ///< [hidden, hidden]

  RNNCell(std::int64_t in, std::int64_t hidden, const RNNCellOptions& options = {});

  std::int64_t hidden_size() const { return recurrent.shape()[0]; }
  State operator()(Tensor projected, const State& h) const;
  Fields fields() { return {{"input", input}, {"recurrent", recurrent}}; }
  std::string kind() const { return "RNN"; }

 private:
  Activation activation_;
};

struct RNNOptions {
  Activation activation = Activation::tanh;
  std::int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;            ///< between layers
  double recurrent_dropout = 0;  ///< of h on its way into the recurrent product
  Initializer kernel_initializer = {};
  Initializer recurrent_initializer = {};
};

/// Layers of plain recurrent cells. Defaults are Keras's: Glorot uniform kernels, orthogonal recurrent
/// kernels, zero biases.
class RNN : public Recurrent<RNNCell> {
 public:
  RNN(std::int64_t in, std::int64_t hidden, const RNNOptions& options = {});
};

}  // namespace rill::nn
