#pragma once

#include <array>
#include <optional>
#include <string>

#include "rill/nn/activation.h"
#include "rill/nn/initializers.h"
#include "rill/nn/layer_norm.h"
#include "rill/nn/linear.h"
#include "rill/nn/recurrent.h"

namespace rill::nn {

struct LSTMCellOptions {
  Activation activation = Activation::tanh;  ///< of the candidate and of the cell state on its way out
  Activation recurrent_activation = Activation::sigmoid;  ///< of the gates: sigmoid or hard_sigmoid
  double forget_bias = 1;                                 ///< Gers et al. 2000, Jozefowicz et al. 2015
  /// When not 0, in place of forget_bias: forget biases are chrono(longest_dependency), input biases their
  /// negatives (Tallec and Ollivier 2018).
  double longest_dependency = 0;
  bool peephole = false;        ///< the gates see the cell state (Gers and Schmidhuber 2000)
  bool layer_norm = false;      ///< of both products and of the cell state on its way out (Ba et al. 2016)
  std::int64_t projection = 0;  ///< when not 0, h is projected to this size (Sak et al. 2014)
  Initializer kernel_initializer = {};     ///< glorot_uniform()
  Initializer recurrent_initializer = {};  ///< orthogonal()
};

/// What of the gates does not depend on the state: x kernel + bias, or norm(x kernel) + bias.
struct LSTMInput : Linear {
  std::optional<LayerNorm> norm;

  using Linear::Linear;
  Tensor operator()(const Tensor& x) const;
  Fields fields() { return {{"kernel", kernel}, {"bias", bias}, {"norm", norm}}; }
};

/// Long short-term memory (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000). With s the
/// recurrent activation and a the activation:
///
///   i, f, g, o = parts of x kernel + bias + h recurrent      in this order, as in Keras
///   c' = s(f) c + s(i) a(g)
///   h' = s(o) a(c')
///
/// With peepholes i and f also get p_i c and p_f c, and o gets p_o c'. Layer-normalised, the gates are parts
/// of norm(x kernel) + bias + norm(h recurrent), and a sees norm(c') in the last line. The state is {h, c}. A
/// trace has "hidden", "cell", "input", "forget", "candidate", "output" and the gates' arguments, such as
/// "forget_preactivation".
struct LSTMCell {
  using State = std::array<Tensor, 2>;

  LSTMInput input;                    ///< kernel [in, 4 hidden], bias [4 hidden]
  Parameter recurrent;                ///< [hidden or projection, 4 hidden]
  std::optional<Parameter> peephole;  ///< [3, hidden]: p_i, p_f, p_o
  std::optional<LayerNorm> recurrent_norm, cell_norm;
  std::optional<Parameter> projection;  ///< [hidden, projection]

  /// Throws ValueError for sizes below 1 and for a recurrent activation that is no gate.
  LSTMCell(std::int64_t in, std::int64_t hidden, const LSTMCellOptions& options = {});

  std::int64_t hidden_size() const { return hidden_; }
  State initial_state(std::int64_t batch, DType dtype) const;
  State operator()(Tensor projected, const State& state) const {
    return (*this)(std::move(projected), state, state[0]);
  }
  State operator()(Tensor projected, const State& state, const Tensor& h) const;
  Fields fields();
  std::string kind() const { return "LSTM"; }
  static std::vector<std::string> state_names() { return {"hidden", "cell"}; }

 private:
  std::int64_t hidden_;
  Activation activation_, recurrent_activation_;
};

struct LSTMOptions {
  Activation activation = Activation::tanh;
  Activation recurrent_activation = Activation::sigmoid;
  double forget_bias = 1;
  double longest_dependency = 0;
  bool peephole = false;
  bool layer_norm = false;
  std::int64_t projection = 0;
  std::int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;            ///< between layers
  double recurrent_dropout = 0;  ///< of h on its way into the recurrent product
  Initializer kernel_initializer = {};
  Initializer recurrent_initializer = {};
};

/// Layers of LSTM cells. Defaults are Keras's: Glorot uniform kernels, orthogonal recurrent kernels, zero
/// biases but 1 for the forget gate.
class LSTM : public Recurrent<LSTMCell> {
 public:
  LSTM(std::int64_t in, std::int64_t hidden, const LSTMOptions& options = {});
};

}  // namespace rill::nn
