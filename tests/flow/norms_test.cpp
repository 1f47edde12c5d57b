#include "rill/flow/norms.h"

#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/nn/gru.h"
#include "rill/nn/linear.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

TEST_CASE("norms over time of dL/dh_t in a linear network are those of products of its matrix",
          "[flow][norms]") {
  constexpr std::int64_t time = 12;
  Generator generator(1);
  const Tensor weight = generator.normal({4, 4}, 0, 0.4, DType::float64);
  const Tensor readout = generator.normal({4}, 0, 1, DType::float64);
  Tape tape;
  std::vector<Tensor> hidden = {tape.watch(generator.normal({3, 4}, 0, 1, DType::float64))};
  for (std::int64_t t = 1; t < time; ++t) hidden.push_back(matmul(hidden.back(), weight));
  const Tensor scale = tensor({1, -2, 0.5}, DType::float64);
  const Tensor loss = sum(scale * matmul(hidden.back(), readout));

  const Tensor norms = flow::norms_over_time(tape.gradient(loss, hidden));
  REQUIRE((norms.shape() == Shape{time, 3}));
  Tensor g = readout;  // dL/dh_T of an example with scale 1; then W g, W W g, ...
  for (std::int64_t t = time - 1; t >= 0; --t) {
    const double expected = norm(g).item();
    for (std::int64_t b = 0; b < 3; ++b)
      CHECK(select(select(norms, 0, t), 0, b).item() ==
            Approx(expected * std::abs(select(scale, 0, b).item())).epsilon(1e-12));
    g = matmul(weight, g);
  }
}

TEST_CASE("norms are right where squares underflow or overflow", "[flow][norms]") {
  const auto of = [](double x) {
    return flow::norms_over_time({tensor({{3 * x, 4 * x}}, DType::float64)}).item() / x;
  };
  for (const double x : {1e-300, 1e-200, 1e-160, 1.0, 1e160, 1e300}) CHECK(of(x) == Approx(5).epsilon(1e-14));
  CHECK(flow::norms_over_time({tensor({{3e-30, 4e-30}})}).item() == Approx(5e-30).epsilon(1e-6));
  CHECK(std::isnan(flow::norms_over_time({tensor({{NAN, 1}})}).item()));
  CHECK(std::isinf(flow::norms_over_time({tensor({{INFINITY, 1}})}).item()));
}

TEST_CASE("a step that nothing flows to has norm 0; layouts do not matter", "[flow][norms]") {
  const Tensor x = tensor({{3, 0}, {4, 1}}, DType::float64);
  const Tensor norms = flow::norms_over_time({Tensor(), transpose(x)});
  CHECK(norms.to_vector<double>() == std::vector<double>{0, 0, 5, 1});
  CHECK_THROWS_AS(flow::norms_over_time({Tensor()}), ValueError);
  CHECK_THROWS_AS(flow::norms_over_time({x, zeros({3, 2}, DType::float64)}), ShapeError);
}

TEST_CASE("all_gradients gives in one sweep what two calls give", "[flow][norms][tape]") {
  nn::Linear layer(3, 2);
  const Tensor x = Generator(1).normal({4, 3});
  Tape tape;
  const Tensor watched = tape.watch(x), other = tape.watch(x);
  const Tensor y = layer(watched);
  const Tensor loss = sum(square(y));
  const AllGradients all = tape.all_gradients(loss, {y, watched, other});
  CHECK(all.parameters.size() == 2);
  CHECK(all.parameters[layer.kernel].to_vector<float>() ==
        tape.gradient(loss)[layer.kernel].to_vector<float>());
  CHECK(all.sources[0].to_vector<float>() == tape.gradient(loss, y).to_vector<float>());
  CHECK(all.sources[1].to_vector<float>() == tape.gradient(loss, watched).to_vector<float>());
  CHECK_FALSE(all.sources[2].defined());
  CHECK_THROWS_AS(tape.all_gradients(sum(watched), {y}), ValueError);
}

TEST_CASE("the norms that a layer's sweep meets in a linear RNN are those of products of its matrix",
          "[flow][norms]") {
  nn::RNN layer(2, 4, {.activation = nn::Activation::linear});
  nn::to(layer, DType::float64);
  const Tensor weight = Generator(2).normal({4, 4}, 0, 0.3, DType::float64);
  layer.cells()[0].recurrent = Parameter(weight);
  flow::GradientNorms norms;
  Tape tape;
  const Tensor loss = sum(layer(Generator(1).normal({3, 9, 2}, 0, 1, DType::float64)).last);
  tape.gradient(loss);
  REQUIRE(norms.cells().size() == 1);
  REQUIRE(norms.cells()[0].size() == 1);
  const Tensor over_time = norms.cells()[0][0];
  REQUIRE((over_time.shape() == Shape{9, 3}));
  Tensor g = ones({4}, DType::float64);
  for (std::int64_t t = 8; t >= 0; --t) {
    for (std::int64_t b = 0; b < 3; ++b)
      CHECK(select(select(over_time, 0, t), 0, b).item() == Approx(norm(g).item()).epsilon(1e-12));
    g = matmul(weight, g);
  }
}

TEST_CASE("the norms of an LSTM's states are those of the gradients, part by part", "[flow][norms]") {
  nn::LSTM layer(2, 3);
  nn::to(layer, DType::float64);
  const nn::LSTMCell& cell = layer.cells()[0];
  const Tensor x = Generator(1).normal({2, 5, 2}, 0, 1, DType::float64);
  const auto loss_of = [](const Tensor& h) { return sum(square(h)); };

  flow::GradientNorms norms;
  Gradients gradients;
  {
    Tape tape;
    gradients = tape.gradient(loss_of(layer(x).last));
  }
  Tape tape;
  std::vector<Tensor> h, c;
  nn::LSTM::State state = cell.initial_state(2, DType::float64);
  for (std::int64_t t = 0; t < 5; ++t) {
    state = cell(cell.input(select(x, 1, t)), state);
    h.push_back(state[0]);
    c.push_back(state[1]);
  }
  const Tensor loss = loss_of(h.back());
  const auto same = [](const Tensor& a, const Tensor& b) { return max(abs(a - b)).item() < 1e-12; };
  CHECK(same(norms.cells()[0][0], flow::norms_over_time(tape.gradient(loss, h))));
  CHECK(same(norms.cells()[0][1], flow::norms_over_time(tape.gradient(loss, c))));
  CHECK(same(gradients[cell.recurrent], tape.gradient(loss)[cell.recurrent]));
}

TEST_CASE("norms come for each layer and direction, in the order of the sequence", "[flow][norms]") {
  nn::GRU layer(2, 3, {.layers = 2, .bidirectional = true});
  flow::GradientNorms norms;
  const auto run = [&] {
    Tape tape;
    tape.gradient(sum(square(select(layer(Generator(1).normal({2, 6, 2})).outputs, 1, 2))));
  };
  run();
  REQUIRE(norms.cells().size() == 4);
  for (std::size_t direction = 0; direction < 2; ++direction) {
    const auto top = norms.cells()[2 + direction][0].to_vector<double>();
    for (std::size_t t = 0; t < 6; ++t) CHECK((top[2 * t] > 0) == (direction == 0 ? t <= 2 : t >= 2));
  }
  const auto first = norms.cells()[0][0].to_vector<double>();
  norms.begin_again();
  run();
  REQUIRE(norms.cells().size() == 4);
  CHECK(norms.cells()[0][0].to_vector<double>() == first);
  layer(Generator(1).normal({2, 6, 2}));  // no tape
  CHECK(norms.cells().size() == 4);
}

TEST_CASE("without an observer a recurrent layer records what it always did", "[flow][norms]") {
  nn::LSTM layer(2, 3);
  const Tensor x = Generator(1).normal({2, 5, 2});
  const auto size = [&] {
    Tape tape;
    layer(x);
    return tape.size();
  };
  const auto before = size();
  {
    const flow::GradientNorms norms;
    CHECK(size() == before + 10);
  }
  CHECK(size() == before);
}
