#include "rill/nn/gru.h"

#include "fmt/format.h"
#include "rill/nn/activation_functions.h"
#include "rill/nn/gate_sizes.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::nn {
namespace {

template <class F>
Tensor with_activations(Activation gate, Activation activation, F f) {
  return activations::with(activation, [&](auto a) -> Tensor {
    return gate == Activation::hard_sigmoid ? f(activations::HardSigmoid{}, a) : f(activations::Sigmoid{}, a);
  });
}

}  // namespace

GRUCell::GRUCell(std::int64_t in, std::int64_t hidden, const GRUCellOptions& options)
    : input(in, gates_together("GRU", 3, hidden), {.kernel_initializer = options.kernel_initializer}),
      activation_(options.activation),
      recurrent_activation_(options.recurrent_activation) {
  if (in < 1 || hidden < 1)
    throw ValueError(fmt::format("GRU: sizes {} and {}; expected at least 1", in, hidden));
  if (recurrent_activation_ != Activation::sigmoid && recurrent_activation_ != Activation::hard_sigmoid)
    throw ValueError(fmt::format("GRU: {} as recurrent activation; expected sigmoid or hard_sigmoid",
                                 name(recurrent_activation_)));
  const Initializer make = options.recurrent_initializer ? options.recurrent_initializer : orthogonal();
  recurrent = Parameter(make({hidden, 3 * hidden}));
  if (options.longest_dependency)
    input.bias = Parameter(concat({chrono(options.longest_dependency)({hidden}), zeros({2 * hidden})}));
  if (options.reset_after) recurrent_bias = Parameter(zeros({3 * hidden}));
}

GRUCell::State GRUCell::operator()(Tensor projected, const State& state, const Tensor& h) const {
  if (recurrent_bias) {
    Tensor product = matmul_add(h, recurrent, *recurrent_bias);
    return with_activations(recurrent_activation_, activation_, [&](auto s, auto a) {
      return fused(
          [s, a](auto z, auto r, auto n, auto u, auto v, auto w, auto before) {
            auto update = named("update", s(named("update_preactivation", z + u)));
            auto reset = named("reset", s(named("reset_preactivation", r + v)));
            auto next = named("candidate", a(named("candidate_preactivation", n + reset * w)));
            return update * before + (1 - update) * next;
          },
          split<3>(std::move(projected)), split<3>(std::move(product)), state);
    });
  }
  const std::int64_t hidden = hidden_size();
  const auto gates = split(Tensor(recurrent), {2 * hidden, hidden}, 1);
  const auto x_parts = split<3>(std::move(projected));
  const auto h_parts = split<2>(matmul(h, gates[0]));
  return with_activations(recurrent_activation_, activation_, [&](auto s, auto a) {
    const Tensor reset =
        fused([s](auto x, auto y,
                  auto before) { return named("reset", s(named("reset_preactivation", x + y))) * before; },
              x_parts[1], h_parts[1], h);
    return fused(
        [s, a](auto x, auto y, auto candidate, auto before) {
          auto update = named("update", s(named("update_preactivation", x + y)));
          auto next = named("candidate", a(named("candidate_preactivation", candidate)));
          return update * before + (1 - update) * next;
        },
        x_parts[0], h_parts[0], matmul_add(reset, gates[1], x_parts[2]), state);
  });
}

GRU::GRU(std::int64_t in, std::int64_t hidden, const GRUOptions& o)
    : Recurrent<GRUCell>(
          {o.layers, o.bidirectional, o.dropout, o.recurrent_dropout}, [&](std::int64_t layer, bool) {
            return GRUCell(layer == 0 ? in : hidden * (o.bidirectional ? 2 : 1), hidden,
                           {o.activation, o.recurrent_activation, o.reset_after, o.longest_dependency,
                            o.kernel_initializer, o.recurrent_initializer});
          }) {}

}  // namespace rill::nn
