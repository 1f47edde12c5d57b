#include "rill/flow/norms.h"

#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/nn/linear.h"
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
