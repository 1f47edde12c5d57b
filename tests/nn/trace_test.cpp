#include <vector>

#include "rill/autograd/fused.h"
#include "rill/autograd/named.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/nn/gru.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

constexpr std::int64_t batch = 3, steps = 5, features = 2, hidden = 4;

Tensor sequence() { return Generator(7).normal({batch, steps, features}, 0, 1, DType::float64); }

double distance(const Tensor& a, const Tensor& b) { return a.count() == 0 ? 0 : max(abs(a - b)).item(); }

template <class Layer>
void check_same(Layer layer, const typename nn::RecurrentCall<typename Layer::State>& call = {}) {
  nn::to(layer, DType::float64);
  const Tensor x = sequence();
  const auto plain = layer(x, call);
  const auto traced = layer.trace(x, call);
  CHECK(distance(plain.outputs, traced.outputs) < 1e-14);
  CHECK(distance(plain.last, traced.last) < 1e-14);
  REQUIRE(traced.hidden.size() == steps);
  for (const auto& cell : traced.cells)
    for (const std::string& name : cell.names) CHECK(cell[name].size() == steps);
}

// A minimal gated unit (Zhou et al. 2016) that names its gate, inside of a fused expression.
struct GatedCell {
  using State = Tensor;
  nn::Linear input{features, 2 * hidden};
  Parameter recurrent{normal({hidden, 2 * hidden}, 0, 0.5)};

  std::int64_t hidden_size() const { return hidden; }
  Tensor operator()(const Tensor& x, const Tensor& h) const {
    return fused(
        [](auto forget, auto candidate, auto before) {
          auto keep = named("keep", sigmoid(forget));
          return keep * before + (1 - keep) * tanh(candidate);
        },
        split<2>(matmul_add(h, recurrent, x)), h);
  }
  nn::Fields fields() { return {{"input", input}, {"recurrent", recurrent}}; }
};

}  // namespace

TEST_CASE("a trace is of the same run as without it", "[nn][trace]") {
  check_same(nn::LSTM(features, hidden));
  check_same(nn::LSTM(features, hidden, {.peephole = true}));
  check_same(nn::LSTM(features, hidden, {.layer_norm = true}));
  check_same(nn::LSTM(features, hidden, {.peephole = true, .layer_norm = true, .projection = 3}));
  check_same(nn::LSTM(features, hidden, {.layers = 2, .bidirectional = true}));
  check_same(nn::GRU(features, hidden));
  check_same(nn::GRU(features, hidden, {.reset_after = false}));
  check_same(nn::RNN(features, hidden, {.layers = 3}));
  check_same(nn::LSTM(features, hidden), {.lengths = Tensor::from(std::vector<std::int64_t>{5, 0, 3})});
  check_same(nn::Recurrent<GatedCell>(GatedCell()));
}

TEST_CASE("a trace has states, gates and their arguments by name", "[nn][trace]") {
  const auto names = [](const auto& layer) {
    return layer.trace(cast(sequence(), DType::float32)).cells[0].names;
  };
  using Names = std::vector<std::string>;
  CHECK(names(nn::LSTM(features, hidden)) ==
        Names{"hidden", "cell", "input_preactivation", "input", "forget_preactivation", "forget",
              "candidate_preactivation", "candidate", "output_preactivation", "output"});
  CHECK(names(nn::GRU(features, hidden)) == Names{"hidden", "update_preactivation", "update",
                                                  "reset_preactivation", "reset", "candidate_preactivation",
                                                  "candidate"});
  CHECK(names(nn::RNN(features, hidden)) == Names{"hidden", "preactivation"});
  CHECK(names(nn::Recurrent<GatedCell>(GatedCell())) == Names{"hidden", "keep"});
  const auto run = nn::LSTM(features, hidden, {.layers = 2, .bidirectional = true})
                       .trace(cast(sequence(), DType::float32));
  CHECK(run.cells.size() == 4);
  CHECK_THROWS_AS(run.cells[0]["gate"], ValueError);
}

TEST_CASE("the traced gates are those of the equations", "[nn][trace]") {
  nn::LSTM lstm(features, hidden);
  nn::to(lstm, DType::float64);
  const auto run = lstm.trace(sequence());
  const auto& cell = run.cells[0];
  for (std::size_t t = 1; t < steps; ++t) {
    CHECK(distance(cell["cell"][t], cell["forget"][t] * cell["cell"][t - 1] +
                                        cell["input"][t] * cell["candidate"][t]) < 1e-14);
    CHECK(distance(cell["hidden"][t], cell["output"][t] * tanh(cell["cell"][t])) < 1e-14);
    CHECK(distance(cell["forget"][t], sigmoid(cell["forget_preactivation"][t])) < 1e-14);
  }
}

TEST_CASE("gradients with respect to everything traced come from one sweep", "[nn][trace]") {
  nn::LSTM lstm(features, hidden);
  nn::to(lstm, DType::float64);
  const Tensor x = sequence();
  Tape tape;
  const auto run = lstm.trace(x);
  const Tensor loss = sum(square(run.last));
  std::vector<Tensor> sources = run.hidden;
  const auto& cell = run.cells[0];
  for (const char* name : {"cell", "forget", "forget_preactivation", "output"})
    sources.insert(sources.end(), cell[name].begin(), cell[name].end());
  const auto gradients = tape.gradient(loss, sources);
  const auto of = [&](int group, std::size_t t) {
    return gradients[static_cast<std::size_t>(group) * steps + t];
  };

  // By the chain rule, from the gradient of the last h backwards: dL/dc_t = dL/dh_t o_t (1 - tanh(c_t)^2) +
  // dL/dc_{t+1} f_{t+1}.
  CHECK(distance(of(0, steps - 1), 2 * run.last) < 1e-14);
  for (std::size_t t = 0; t < steps; ++t) {
    Tensor expected = of(0, t) * cell["output"][t] * (1 - square(tanh(cell["cell"][t])));
    if (t + 1 < steps) expected = expected + of(1, t + 1) * cell["forget"][t + 1];
    CHECK(distance(of(1, t), expected) < 1e-14);
    if (t > 0) CHECK(distance(of(2, t), of(1, t) * cell["cell"][t - 1]) < 1e-14);
    CHECK(distance(of(3, t), of(2, t) * cell["forget"][t] * (1 - cell["forget"][t])) < 1e-14);
    CHECK(distance(of(4, t), of(0, t) * tanh(cell["cell"][t])) < 1e-14);
  }
}

TEST_CASE("a parameter and a value outside of a fused expression can be named", "[nn][trace]") {
  struct Scaled : GatedCell {
    Parameter scale{full({hidden}, 2)};
    Tensor operator()(const Tensor& x, const Tensor& h) const {
      return named("scaled", GatedCell::operator()(x, h* named("scale", scale)));
    }
  };
  const auto run = nn::Recurrent<Scaled>(Scaled()).trace(cast(sequence(), DType::float32));
  CHECK(run.cells[0].names == std::vector<std::string>{"hidden", "scale", "keep", "scaled"});
  CHECK(distance(run.cells[0]["scaled"][2], run.hidden[2]) == 0);
}

TEST_CASE("a value with the name of a state is refused", "[nn][trace]") {
  struct Clash : GatedCell {
    Tensor operator()(const Tensor& x, const Tensor& h) const {
      return GatedCell::operator()(named("hidden", x), h);
    }
  };
  CHECK_THROWS_WITH(nn::Recurrent<Clash>(Clash()).trace(cast(sequence(), DType::float32)),
                    "trace: a value has the name 'hidden', which a part of the state has");
}

TEST_CASE("two values of one step with one name are refused", "[nn][trace]") {
  struct Twice : GatedCell {
    Tensor operator()(const Tensor& x, const Tensor& h) const {
      return named("h", GatedCell::operator()(named("h", x), h));
    }
  };
  CHECK_THROWS_WITH(nn::Recurrent<Twice>(Twice()).trace(cast(sequence(), DType::float32)),
                    "trace: two values of one time step have the name 'h'");
}
