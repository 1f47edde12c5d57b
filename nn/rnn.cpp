#include "rill/nn/rnn.h"

#include "fmt/format.h"
#include "rill/autograd/named.h"
#include "rill/autograd/ops.h"
#include "rill/tensor/error.h"

namespace rill::nn {

RNNCell::RNNCell(std::int64_t in, std::int64_t hidden, const RNNCellOptions& options)
    : input(in, hidden, {.kernel_initializer = options.kernel_initializer}), activation_(options.activation) {
  if (in < 1 || hidden < 1)
    throw ValueError(fmt::format("RNN: sizes {} and {}; expected at least 1", in, hidden));
  const Initializer make = options.recurrent_initializer ? options.recurrent_initializer : orthogonal();
  recurrent = Parameter(make({hidden, hidden}));
}

RNNCell::State RNNCell::operator()(Tensor projected, const State& h) const {
  return activate(named("preactivation", matmul_add(h, recurrent, std::move(projected))), activation_);
}

RNN::RNN(std::int64_t in, std::int64_t hidden, const RNNOptions& o)
    : Recurrent<RNNCell>({o.layers, o.bidirectional, o.dropout, o.recurrent_dropout},
                         [&](std::int64_t layer, bool) {
                           return RNNCell(layer == 0 ? in : hidden * (o.bidirectional ? 2 : 1), hidden,
                                          {o.activation, o.kernel_initializer, o.recurrent_initializer});
                         }) {}

}  // namespace rill::nn
