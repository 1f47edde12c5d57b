#include "rill/nn/lstm.h"

#include "fmt/format.h"
#include "rill/nn/activation_functions.h"
#include "rill/nn/gate_sizes.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::nn {
namespace {

// Calls f with the types of a gate's activation and of the other one.
template <class F>
auto with_activations(Activation gate, Activation activation, F f) {
  return activations::with(activation, [&](auto a) {
    return gate == Activation::hard_sigmoid ? f(activations::HardSigmoid{}, a) : f(activations::Sigmoid{}, a);
  });
}

// A gate with its names.
struct Gate {
  const char* name;
  const char* preactivation;
};
constexpr Gate input_gate{"input", "input_preactivation"}, forget_gate{"forget", "forget_preactivation"},
    candidate{"candidate", "candidate_preactivation"}, output_gate{"output", "output_preactivation"};

template <class F, class X>
auto apply(const Gate& gate, F activation, const X& x) {
  return named(gate.name, activation(named(gate.preactivation, x)));
}

LSTMCell::State plain(Tensor z, const Tensor& c, Activation gate, Activation activation) {
  return with_activations(gate, activation, [&](auto s, auto a) -> LSTMCell::State {
    auto [h, next] = fused(
        [s, a](auto i, auto f, auto g, auto o, auto c_before) {
          auto in = apply(input_gate, s, i);
          auto forget = apply(forget_gate, s, f);
          auto c_now = forget * c_before + in * apply(candidate, a, g);
          return std::tuple{apply(output_gate, s, o) * a(c_now), c_now};
        },
        split<4>(std::move(z)), c);
    return {h, next};
  });
}

LSTMCell::State with_peephole(Tensor z, const Tensor& c, const Tensor& weights, Activation gate,
                              Activation activation) {
  return with_activations(gate, activation, [&](auto s, auto a) -> LSTMCell::State {
    auto [h, next] = fused(
        [s, a](auto i, auto f, auto g, auto o, auto c_before, auto p_i, auto p_f, auto p_o) {
          auto in = apply(input_gate, s, i + p_i * c_before);
          auto forget = apply(forget_gate, s, f + p_f * c_before);
          auto c_now = forget * c_before + in * apply(candidate, a, g);
          return std::tuple{apply(output_gate, s, o + p_o * c_now) * a(c_now), c_now};
        },
        split<4>(std::move(z)), c, select(weights, 0, 0), select(weights, 0, 1), select(weights, 0, 2));
    return {h, next};
  });
}

// Layer normalisation stands between the new cell state and the output, so each is a pass of its own.
LSTMCell::State with_norm(Tensor z, const Tensor& c, const std::optional<Parameter>& peephole,
                          const LayerNorm& norm, Activation gate, Activation activation) {
  return with_activations(gate, activation, [&](auto s, auto a) -> LSTMCell::State {
    auto [i, f, g, o] = split<4>(std::move(z));
    if (peephole) {
      const Tensor weights = *peephole;
      i = i + select(weights, 0, 0) * c;
      f = f + select(weights, 0, 1) * c;
    }
    const Tensor next = fused(
        [s, a](auto i_part, auto f_part, auto g_part, auto c_before) {
          auto in = apply(input_gate, s, i_part);
          auto forget = apply(forget_gate, s, f_part);
          return forget * c_before + in * apply(candidate, a, g_part);
        },
        i, f, g, c);
    if (peephole) o = o + select(Tensor(*peephole), 0, 2) * next;
    const Tensor h = fused([s, a](auto out, auto y) { return apply(output_gate, s, out) * a(y); }, o,
                           layer_norm(next, norm.gain, norm.bias, norm.epsilon));
    return {h, next};
  });
}

}  // namespace

Tensor LSTMInput::operator()(const Tensor& x) const {
  if (!norm) return Linear::operator()(x);
  return layer_norm(matmul(x, kernel), norm->gain, Tensor(norm->bias) + Tensor(*bias), norm->epsilon);
}

LSTMCell::LSTMCell(std::int64_t in, std::int64_t hidden, const LSTMCellOptions& options)
    : input(in, gates_together("LSTM", 4, hidden), {.kernel_initializer = options.kernel_initializer}),
      hidden_(hidden),
      activation_(options.activation),
      recurrent_activation_(options.recurrent_activation) {
  if (in < 1 || hidden < 1 || options.projection < 0)
    throw ValueError(fmt::format("LSTM: sizes {} and {}, projection {}; expected sizes of at least 1", in,
                                 hidden, options.projection));
  if (recurrent_activation_ != Activation::sigmoid && recurrent_activation_ != Activation::hard_sigmoid)
    throw ValueError(fmt::format("LSTM: {} as recurrent activation; expected sigmoid or hard_sigmoid",
                                 name(recurrent_activation_)));
  const std::int64_t output = options.projection ? options.projection : hidden;
  const Initializer make = options.recurrent_initializer ? options.recurrent_initializer : orthogonal();
  recurrent = Parameter(make({output, 4 * hidden}));
  const Tensor forget = options.longest_dependency ? chrono(options.longest_dependency)({hidden})
                                                   : full({hidden}, options.forget_bias);
  input.bias = Parameter(
      concat({options.longest_dependency ? neg(forget) : zeros({hidden}), forget, zeros({2 * hidden})}));
  if (options.peephole) peephole = Parameter(zeros({3, hidden}));
  if (options.layer_norm) {
    input.norm.emplace(4 * hidden);
    recurrent_norm.emplace(4 * hidden);
    cell_norm.emplace(hidden);
  }
  if (options.projection) projection = Parameter(glorot_uniform()({hidden, options.projection}));
}

LSTMCell::State LSTMCell::initial_state(std::int64_t batch, DType dtype) const {
  return {detail::zero_state(batch, projection ? projection->shape()[1] : hidden_, dtype),
          detail::zero_state(batch, hidden_, dtype)};
}

LSTMCell::State LSTMCell::operator()(Tensor projected, const State& state, const Tensor& h) const {
  State next;
  if (cell_norm) {
    const LayerNorm& norm = *recurrent_norm;
    Tensor z = layer_norm_add(matmul(h, recurrent), norm.gain, norm.bias, std::move(projected), norm.epsilon);
    next = with_norm(std::move(z), state[1], peephole, *cell_norm, recurrent_activation_, activation_);
  } else {
    Tensor z = matmul_add(h, recurrent, std::move(projected));
    next = peephole ? with_peephole(std::move(z), state[1], *peephole, recurrent_activation_, activation_)
                    : plain(std::move(z), state[1], recurrent_activation_, activation_);
  }
  if (projection) next[0] = matmul(next[0], *projection);
  return next;
}

Fields LSTMCell::fields() {
  std::vector<Field> out = {{"input", input}, {"recurrent", recurrent}};
  if (peephole) out.emplace_back("peephole", *peephole);
  if (cell_norm) {
    out.emplace_back("recurrent_norm", *recurrent_norm);
    out.emplace_back("cell_norm", *cell_norm);
  }
  if (projection) out.emplace_back("projection", *projection);
  return Fields(std::move(out));
}

LSTM::LSTM(std::int64_t in, std::int64_t hidden, const LSTMOptions& o)
    : Recurrent<LSTMCell>(
          {o.layers, o.bidirectional, o.dropout, o.recurrent_dropout}, [&](std::int64_t layer, bool) {
            const std::int64_t below =
                gates_together("LSTM", o.bidirectional ? 2 : 1, o.projection ? o.projection : hidden);
            return LSTMCell(
                layer == 0 ? in : below, hidden,
                {o.activation, o.recurrent_activation, o.forget_bias, o.longest_dependency, o.peephole,
                 o.layer_norm, o.projection, o.kernel_initializer, o.recurrent_initializer});
          }) {}

}  // namespace rill::nn
