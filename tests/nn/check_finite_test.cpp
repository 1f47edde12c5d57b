#include <limits>

#include "rill/autograd/check_finite.h"
#include "rill/autograd/fused.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/nn/linear.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t hidden = 4, steps = 20;

// Adds the logarithm of the first input, inside of a fused expression; its layer above adds nothing.
struct LogCell {
  using State = Tensor;
  nn::Linear input;
  Parameter recurrent{eye(hidden)};
  bool takes_log;

  LogCell(std::int64_t in, bool log) : input(in, hidden), takes_log(log) {}
  std::int64_t hidden_size() const { return hidden; }
  Tensor operator()(const Tensor& x, const Tensor& h) const {
    const Tensor z = matmul_add(h, recurrent, x);
    if (!takes_log) return tanh(z);
    return fused([](auto v) { return tanh(v) + log(v + 100); }, z);
  }
  nn::Fields fields() { return {{"input", input}, {"recurrent", recurrent}}; }
  std::string kind() const { return "LogCell"; }
};

struct Model {
  nn::Recurrent<LogCell> layers{
      {.layers = 2}, [](std::int64_t layer, bool) { return LogCell(layer == 0 ? 1 : hidden, layer == 1); }};
  nn::Linear output{hidden, 1};

  Tensor operator()(const Tensor& x) const { return output(layers(x).last); }
  nn::Fields fields() { return {{"layers", layers}, {"output", output}}; }
};

template <class F>
NonFiniteError caught(F f) {
  try {
    f();
  } catch (const NonFiniteError& error) {
    return error;
  }
  FAIL("nothing that is not finite was found");
  throw Error("unreachable");
}

}  // namespace

TEST_CASE("a logarithm of a negative number at time step 17 of layer 2 is named", "[nn][check_finite]") {
  seed(1);
  Model model;
  // The second layer passes on its input, less a fall far below 0 that begins at time step 17.
  auto& cell = model.layers.cells()[1];
  cell.recurrent = Parameter(zeros({hidden, hidden}));
  auto& first = model.layers.cells()[0];
  first.input.kernel = Parameter(full({1, hidden}, 1));
  first.recurrent = Parameter(zeros({hidden, hidden}));
  cell.input.kernel = Parameter(eye(hidden) * 200);
  std::vector<float> values(steps, 0.1F);
  values[17] = -3;
  const Tensor x = reshape(Tensor::from(values), {1, steps, 1});

  const auto error = caught([&] {
    Tape tape;
    tape.check_finite(nn::names(model));
    model(x);
  });
  CHECK(error.operation == "log");
  CHECK(!error.backward);
  CHECK(error.place.time_step == 17);
  CHECK_THAT(
      error.what(),
      Contains(
          "log, layers.forward1 (LogCell, layer 2 of 2), time step 17, forward: 4 of 4 elements of [1, 4] "
          "are not finite, the first nan at [0, 0]; what entered: [1, 4] from -"));
  Tape tape;  // which does not check
  CHECK(std::isnan(model(x).item()));
}

TEST_CASE("an exploding weight is named where the first value overflows", "[nn][check_finite]") {
  nn::RNN rnn(2, 3, {.activation = nn::Activation::linear});
  rnn.cells()[0].recurrent = Parameter(eye(3) * 1e10);
  struct Named {
    nn::RNN& rnn;
    nn::Fields fields() { return {{"rnn", rnn}}; }
  } model{rnn};
  const auto error = caught([&] {
    Tape tape;
    tape.check_finite(nn::names(model));
    rnn(ones({1, 9, 2}));
  });
  CHECK(error.operation == "matmul_add");
  // 1e10 to the power of 4 is beyond float32.
  CHECK(error.place.time_step == 4);
  CHECK_THAT(error.what(),
             Contains("rnn (RNN), time step 4, forward") && Contains("rnn.recurrent [3, 3] from 0 to 1e+10"));
}

TEST_CASE("a gradient that is not finite is named with its direction", "[nn][check_finite]") {
  nn::Linear layer(2, 2);
  layer.kernel = Parameter(zeros({2, 2}));
  Tape tape;
  tape.check_finite();
  const Tensor y = sqrt(layer(ones({1, 2})));
  const auto error = caught([&] { tape.gradient(sum(y)); });
  CHECK(error.operation == "sqrt");
  CHECK(error.backward);
  CHECK_THAT(error.what(), Contains("sqrt, outside of all layers, backward"));
}

TEST_CASE("what came in with a constant is said to have been there already", "[nn][check_finite]") {
  nn::Linear layer(2, 2);
  const Tensor x = Tensor::from(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}, {1, 2});
  const auto error = caught([&] {
    Tape tape;
    tape.check_finite();
    layer(x);
  });
  CHECK_THAT(error.what(), Contains("with 1 not finite already"));
}

TEST_CASE("a run with finite values goes through, with the same result", "[nn][check_finite]") {
  seed(2);
  nn::LSTM lstm(3, hidden, {.layers = 2});
  nn::to(lstm, DType::float64);
  const Tensor x = normal({2, 6, 3}, 0, 1, DType::float64);
  const auto gradient = [&](bool checked) {
    Tape tape;
    if (checked) tape.check_finite(nn::names(lstm));
    return tape.gradient(sum(square(lstm(x).last)))[lstm.cells()[0].recurrent];
  };
  CHECK(max(abs(gradient(true) - gradient(false))).item() < 1e-14);
}

TEST_CASE("padding is not looked at, whatever it holds", "[nn][check_finite]") {
  nn::LSTM lstm(2, hidden);
  const double none = std::numeric_limits<double>::quiet_NaN();
  Tape tape;
  tape.check_finite();
  const Tensor x = tape.watch(tensor({{{1, 2}, {none, none}}, {{3, 4}, {5, 6}}}));
  const Tensor last = lstm(x, {.lengths = Tensor::from(std::vector<std::int64_t>{1, 2})}).last;
  CHECK(tape.gradient(sum(last), x).to_vector<float>()[2] == 0);
}

TEST_CASE("a tape explains itself by operation and by place", "[nn][explain]") {
  seed(3);
  Model model;
  Tape tape;
  model(full({1, steps, 1}, 0.1));
  const std::string text = tape.explain(nn::names(model));
  CHECK_THAT(text, Contains("matmul_add") && Contains("layers.forward0 (LogCell, layer 1 of 2)") &&
                       Contains("output (Linear)"));
  const std::string graph = tape.graphviz(nn::names(model));
  CHECK_THAT(graph, Contains("digraph tape {") && Contains("\"layers.forward1.recurrent\" -> ") &&
                        Contains("time step 19") && Contains("matmul_add"));
}
