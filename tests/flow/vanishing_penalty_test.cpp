#include "rill/flow/vanishing_penalty.h"

#include <cmath>

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/ops.h"
#include "rill/nn/initializers.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

constexpr std::int64_t steps = 7;

Tensor inputs(std::int64_t hidden) { return Generator(5).normal({steps, 2, hidden}, 0, 0.5, DType::float64); }

// Omega of tanh(h W + x_t), for a loss that sees every step.
Tensor penalty(const Tensor& weight, const Tensor& x, bool linear = false) {
  Tape tape;
  std::vector<Tensor> hidden = {tape.watch(select(x, 0, 0))};
  Tensor loss = 0.0;
  for (std::int64_t t = 1; t < steps; ++t) {
    const Tensor z = matmul(hidden.back(), weight) + select(x, 0, t);
    hidden.push_back(linear ? z : tanh(z));
  }
  if (linear)
    loss = sum(hidden.back());
  else
    for (const Tensor& h : hidden) loss = loss + sum(square(h - 0.3));
  return flow::vanishing_gradient_penalty(tape, loss, hidden);
}

}  // namespace

TEST_CASE("the vanishing-gradient penalty of a scaled rotation is (T - 1) (scale - 1)^2", "[flow][penalty]") {
  const double c = std::cos(0.4), s = std::sin(0.4);
  const Tensor rotation = tensor({{c, -s}, {s, c}}, DType::float64);
  for (const double scale : {0.5, 1.0, 1.3})
    CHECK(penalty(rotation * scale, inputs(2), true).item() ==
          Approx((steps - 1) * (scale - 1) * (scale - 1)).epsilon(1e-12).margin(1e-14));
}

TEST_CASE("the penalty is (9) of Pascanu et al., term by term", "[flow][penalty]") {
  const Tensor weight = Generator(6).normal({3, 3}, 0, 0.6, DType::float64), x = inputs(3);
  // delta_t = dL/dh_t with L = sum_t (h_t - 0.3)^2, and the Jacobian of a step is diag(1 - h^2) W^T.
  std::vector<Tensor> hidden = {select(x, 0, 0)};
  for (std::int64_t t = 1; t < steps; ++t)
    hidden.push_back(tanh(matmul(hidden.back(), weight) + select(x, 0, t)));
  const auto back = [&](const Tensor& delta, std::size_t t) {
    return matmul(delta * (1 - square(hidden[t])), transpose(weight));
  };
  Tensor delta = 2.0 * (hidden.back() - 0.3);
  double expected = 0;
  for (std::size_t t = steps - 1; t > 0; --t) {
    const Tensor before = back(delta, t);
    expected += mean(square(norm(before, -1) / norm(delta, -1) - 1)).item();
    delta = before + 2.0 * (hidden[t - 1] - 0.3);
  }
  CHECK(penalty(weight, x).item() == Approx(expected).epsilon(1e-12));
}

TEST_CASE("the penalty's gradient agrees with central differences", "[flow][penalty]") {
  const auto result = gradcheck([](const std::vector<Tensor>& in) { return penalty(in[0], in[1]); },
                                {Generator(6).normal({3, 3}, 0, 0.6, DType::float64), inputs(3)});
  INFO(result.message);
  CHECK(result.passed);
}

TEST_CASE("descending the penalty of an RNN cell makes its gradients keep their length", "[flow][penalty]") {
  nn::RNNCell cell(2, 4, {.recurrent_initializer = nn::identity(0.5)});
  nn::to(cell, DType::float64);
  const Tensor x = Generator(1).normal({3, 10, 2}, 0, 0.5, DType::float64);
  optim::SGD sgd{{.learning_rate = 0.02}};
  std::vector<double> values;
  for (int step = 0; step < 30; ++step) {
    Tape outer;
    Tape tape;
    std::vector<Tensor> hidden = {cell(cell.input(select(x, 1, 0)), zeros({3, 4}, DType::float64))};
    for (std::int64_t t = 1; t < 10; ++t) hidden.push_back(cell(cell.input(select(x, 1, t)), hidden.back()));
    const Tensor omega = flow::vanishing_gradient_penalty(tape, sum(hidden.back()), hidden);
    values.push_back(omega.item());
    sgd.update(cell, outer.gradient(omega));
  }
  CHECK(values.front() > 1);
  CHECK(values.back() < 0.2 * values.front());
}

TEST_CASE("the penalty of an LSTM's cell states counts the path by h, too", "[flow][penalty]") {
  nn::LSTMCell cell(2, 3);
  nn::to(cell, DType::float64);
  const Tensor x = Generator(1).normal({1, 2}, 0, 1, DType::float64);
  const Tensor first = Generator(2).normal({1, 3}, 0, 1, DType::float64);
  const auto step = [&](const Tensor& c) { return cell(cell.input(x), {0.5 * tanh(c), c})[1]; };
  Tape tape;
  const Tensor c0 = tape.watch(first), c1 = step(c0);
  const double omega = flow::vanishing_gradient_penalty(tape, sum(c1), {c0, c1}).item();
  double squares = 0;
  for (std::int64_t i = 0; i < 3; ++i) {
    const Tensor nudge = reshape(1e-6 * select(eye(3, DType::float64), 0, i), {1, 3});
    const double slope = (sum(step(first + nudge)) - sum(step(first - nudge))).item() / 2e-6;
    squares += slope * slope;
  }
  CHECK(omega == Approx(std::pow(std::sqrt(squares / 3) - 1, 2)).epsilon(1e-6));
}

TEST_CASE("the penalty counts 0 where nothing comes back, and 1 where it stops", "[flow][penalty]") {
  Tape tape;
  const Tensor h0 = tape.watch(ones({1, 2}, DType::float64));
  const Tensor h1 = h0 * 3.0, h2 = tape.watch(stop_gradient(h1)), h3 = h2 * 1.0, h4 = h3 * 2.0;
  CHECK(flow::vanishing_gradient_penalty(tape, sum(h3), {h0, h1, h2, h3, h4}).item() == 1);
  CHECK_THROWS_AS(flow::vanishing_gradient_penalty(tape, sum(h3), {h3}), ValueError);
  CHECK_THROWS_AS(flow::vanishing_gradient_penalty(tape, sum(h0), {h0, h1}), ValueError);
}
