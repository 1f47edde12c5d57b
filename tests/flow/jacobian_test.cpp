#include "rill/flow/jacobian.h"

#include <Eigen/Dense>
#include <cmath>

#include "rill/autograd/tape.h"
#include "rill/tensor/eigen.h"
#include "rill/tensor/error.h"
#include "tests/flow/cells.h"

using namespace rill;
using namespace dynamics;

namespace {

template <nn::Cell C>
Tensor whole_step(const C& cell, const Tensor& input, const Tensor& s, const Dims& sizes) {
  using Traits = nn::StateTraits<typename C::State>;
  return concat(Traits::pack(cell(input, Traits::unpack(split(s, sizes, 1)))), 1);
}

// The Jacobians by central differences, in the order of state_jacobians.
template <nn::Cell C>
Tensor by_differences(const C& cell, const Tensor& x, const std::vector<Tensor>& initial) {
  const double step = 1e-5;
  Dims sizes;
  for (const Tensor& part : initial) sizes.push_back(part.size(1));
  Tensor s = concat(initial, 1);
  const std::int64_t n = s.size(1);
  const Tensor inputs = cell.input(permute(x, {1, 0, 2}));
  std::vector<Tensor> by_time;
  for (std::int64_t t = 0; t < x.size(1); ++t) {
    const Tensor input = select(inputs, 0, t);
    std::vector<Tensor> columns;
    for (std::int64_t j = 0; j < n; ++j) {
      const Tensor nudge = step * select(eye(n, DType::float64), 0, j);
      columns.push_back(
          (whole_step(cell, input, s + nudge, sizes) - whole_step(cell, input, s - nudge, sizes)) /
          (2 * step));
    }
    by_time.push_back(stack(columns, 2));
    s = whole_step(cell, input, s, sizes);
  }
  return stack(by_time);
}

Tensor plain_product(const Tensor& jacobians, std::int64_t begin, std::int64_t end) {
  Tensor product = select(jacobians, 0, begin);
  for (std::int64_t t = begin + 1; t < end; ++t) product = matmul(select(jacobians, 0, t), product);
  return product;
}

}  // namespace

TEST_CASE("the Jacobian of each step of a cell equals central differences", "[flow]") {
  seed(3);
  const Tensor x = noise(1, {2, 4, 3});
  const std::vector<Tensor> h = {noise(2, {2, 5}, 0.5)}, hc = {h[0], noise(4, {2, 5})};
  const auto check = [&](const auto& cell, const std::vector<Tensor>& initial) {
    const Tensor jacobians = flow::state_jacobians(cell, x, {.initial = initial});
    CHECK(difference(jacobians, by_differences(cell, x, initial)) < 1e-8);
  };
  SECTION("RNN") { check(in_float64(nn::RNNCell(3, 5)), h); }
  SECTION("GRU") { check(in_float64(nn::GRUCell(3, 5)), h); }
  SECTION("GRU with the reset before the product") {
    check(in_float64(nn::GRUCell(3, 5, {.reset_after = false})), h);
  }
  SECTION("LSTM") { check(in_float64(nn::LSTMCell(3, 5)), hc); }
  SECTION("LSTM with peepholes and layer normalisation") {
    check(in_float64(nn::LSTMCell(3, 5, {.peephole = true, .layer_norm = true})), hc);
  }
  SECTION("LSTM whose parts differ in size") {
    check(in_float64(nn::LSTMCell(3, 5, {.projection = 2})), {noise(6, {2, 2}), hc[1]});
  }
  SECTION("a user's cell, from its own first state") {
    const SlowFastCell cell;
    const Tensor expected = by_differences(
        cell, x, nn::StateTraits<SlowFastCell::State>::pack(cell.initial_state(2, DType::float64)));
    CHECK(difference(flow::state_jacobians(cell, x), expected) < 1e-8);
  }
}

TEST_CASE("the Jacobian of one part of a state is its block of the whole", "[flow]") {
  seed(3);
  const nn::LSTMCell cell = in_float64(nn::LSTMCell(3, 4));
  const Tensor x = noise(1, {2, 3, 3});
  const Tensor whole = flow::state_jacobians(cell, x);
  const Tensor hh = slice(whole, {{}, {}, {0, 4}, {0, 4}}), cc = slice(whole, {{}, {}, {4, 8}, {4, 8}});
  CHECK(difference(flow::state_jacobians(cell, x, {.part = 0}), hh) < 1e-14);
  CHECK(difference(flow::state_jacobians(cell, x, {.part = 1}), cc) < 1e-14);
}

TEST_CASE("a layer of one cell stands for its cell; a layer of more is refused", "[flow]") {
  seed(3);
  const nn::LSTM layer = in_float64(nn::LSTM(3, 4));
  const Tensor x = noise(1, {1, 3, 3});
  CHECK(difference(flow::state_jacobians(layer, x), flow::state_jacobians(layer.cells()[0], x)) == 0);
  CHECK_THROWS_WITH(
      flow::state_jacobians(nn::LSTM(3, 4, {.layers = 2}), x),
      "state_jacobians: a layer of 2 cells; expected one, or a cell with the sequence that it reads");
}

TEST_CASE("Jacobians in float32 are those in float64 to its precision", "[flow]") {
  seed(3);
  const nn::GRUCell cell(3, 6);
  const Tensor x = noise(1, {1, 3, 3});
  const Tensor jacobians = flow::state_jacobians(cell, cast(x, DType::float32));
  CHECK(jacobians.dtype() == DType::float32);
  CHECK(difference(cast(jacobians, DType::float64), flow::state_jacobians(in_float64(cell), x)) < 1e-5);
}

TEST_CASE("in a linear RNN dL/dh_t is dL/dh_T times the product of its transition matrices", "[flow]") {
  seed(3);
  nn::RNNCell cell = in_float64(nn::RNNCell(3, 6, {.activation = nn::Activation::linear}));
  cell.recurrent = Parameter(noise(7, {6, 6}, 0.5));
  const std::int64_t steps = 30;
  const Tensor x = noise(1, {1, steps, 3}), weights = noise(8, {1, 6});

  Tape tape;
  std::vector<Tensor> states = {tape.watch(zeros({1, 6}, DType::float64))};
  const Tensor inputs = cell.input(x);
  for (std::int64_t t = 0; t < steps; ++t) states.push_back(cell(select(inputs, 1, t), states.back()));
  const std::vector<Tensor> gradients = tape.gradient({states.back(), weights}, states);

  const Tensor jacobians = flow::state_jacobians(cell, x);
  Tensor power = weights;  // h' = h W, so the transition matrix is W transposed
  for (std::int64_t t = steps - 1; t >= 0; --t) {
    const flow::ScaledMatrices product = flow::product_of_jacobians(jacobians, t, steps);
    const Tensor transition = product.matrix * exp(reshape(product.log_scale, {1, 1, 1}));
    const auto place = static_cast<std::size_t>(t);
    CHECK(difference(matmul(weights, select(transition, 0, 0)), gradients[place]) < 1e-12);
    power = matmul(power, transpose(cell.recurrent.value()));
    CHECK(difference(power, gradients[place]) < 1e-12);
  }
}

TEST_CASE("singular values of a product of transition matrices equal Eigen's", "[flow]") {
  PlainCell cell{Parameter(noise(7, {6, 6}, 0.5))};
  const Tensor jacobians = flow::state_jacobians(cell, noise(1, {2, 5, 6}));
  const Eigen::MatrixXd w = as_eigen<double>(cell.recurrent.value());
  const Eigen::VectorXd expected =
      Eigen::JacobiSVD<Eigen::MatrixXd>(w.transpose() * w.transpose() * w.transpose()).singularValues();
  const flow::ScaledMatrices product = flow::product_of_jacobians(jacobians, 1, 4);
  const auto values = exp(flow::log_singular_values(product)).to_vector<double>();
  for (std::size_t i = 0; i < 12; ++i)
    CHECK(std::abs(values[i] - expected[static_cast<Eigen::Index>(i % 6)]) < 1e-12 * expected[0]);
}

TEST_CASE("a product of Jacobians is that of matmul, however small or large it becomes", "[flow]") {
  seed(3);
  const nn::GRUCell cell = in_float64(nn::GRUCell(3, 5));
  const Tensor jacobians = flow::state_jacobians(cell, noise(1, {2, 8, 3}));
  const flow::ScaledMatrices product = flow::product_of_jacobians(jacobians, 2, 7);
  CHECK(difference(product.matrix * exp(reshape(product.log_scale, {2, 1, 1})),
                   plain_product(jacobians, 2, 7)) < 1e-13);

  for (const double factor : {1e-3, 1e3}) {
    const Tensor diagonal = expand(factor * eye(4, DType::float64), {500, 1, 4, 4});
    const flow::ScaledMatrices power = flow::product_of_jacobians(diagonal, 0, 500);
    for (const double value : flow::log_singular_values(power).to_vector<double>())
      CHECK(value == Approx(500 * std::log(factor)).epsilon(1e-13));
  }
  const flow::ScaledMatrices nothing = flow::product_of_jacobians(zeros({3, 1, 2, 2}, DType::float64), 0, 3);
  for (const double value : flow::log_singular_values(nothing).to_vector<double>()) CHECK(value == -INFINITY);
}

TEST_CASE("singular values to the last step are those of each product that ends there", "[flow]") {
  seed(3);
  const nn::GRUCell cell = in_float64(nn::GRUCell(3, 5));
  const Tensor jacobians = flow::state_jacobians(cell, noise(1, {2, 6, 3}));
  const Tensor values = flow::log_singular_values_to_last(jacobians);
  REQUIRE(values.shape() == Shape{6, 2, 5});
  for (std::int64_t t = 0; t < 6; ++t)
    CHECK(difference(select(values, 0, t),
                     flow::log_singular_values(flow::product_of_jacobians(jacobians, t, 6))) < 1e-9);
  CHECK_THROWS_AS(flow::log_singular_values_to_last(zeros({3, 4, 4})), ShapeError);
}

TEST_CASE("singular values, condition number and spectral radius of matrices that show them", "[flow]") {
  const Tensor matrices =
      stack({tensor({{0, -3}, {0.5, 0}}), tensor({{1, 1}, {0, 1}}), tensor({{2, 0}, {0, 0}})});
  const auto values = flow::singular_values(matrices).to_vector<double>();
  const double golden = (1 + std::sqrt(5.0)) / 2;
  const std::vector<double> expected = {3, 0.5, golden, 1 / golden, 2, 0};
  for (std::size_t i = 0; i < 6; ++i) CHECK(values[i] == Approx(expected[i]).margin(1e-14));
  const auto conditions = flow::condition_numbers(matrices).to_vector<double>();
  CHECK(conditions[0] == Approx(6));
  CHECK(conditions[1] == Approx(golden * golden));
  CHECK(conditions[2] == INFINITY);
  const auto radii = flow::spectral_radii(matrices).to_vector<double>();
  CHECK(radii[0] == Approx(std::sqrt(1.5)));
  CHECK(radii[1] == Approx(1));
  CHECK(radii[2] == Approx(2));
}

TEST_CASE("instruments of Jacobians say what is wrong with their input", "[flow]") {
  const nn::LSTMCell cell(3, 4);
  CHECK_THROWS_WITH(flow::state_jacobians(cell, zeros({2, 0, 3})),
                    "state_jacobians: an input of shape [2, 0, 3]; expected [batch, time, features] with at "
                    "least one example and one step");
  CHECK_THROWS_AS(flow::state_jacobians(cell, zeros({4, 3})), ShapeError);
  CHECK_THROWS_AS(flow::state_jacobians(cell, zeros({1, 4, 2})), ShapeError);
  CHECK_THROWS_WITH(flow::state_jacobians(cell, zeros({1, 2, 3}), {.part = 2}),
                    "state_jacobians: part 2 of a state that has parts 0 to 1");
  CHECK_THROWS_WITH(flow::state_jacobians(cell, zeros({1, 2, 3}), {.initial = {zeros({1, 4})}}),
                    "state_jacobians: an initial state of 1 parts; expected 2");
  CHECK_THROWS_WITH(
      flow::state_jacobians(cell, zeros({1, 2, 3}), {.initial = {zeros({1, 4}), zeros({2, 4})}}),
      "state_jacobians: part 1 of the initial state has shape [2, 4]; expected [1, 4]");
  CHECK_THROWS_WITH(flow::product_of_jacobians(zeros({3, 2, 4, 4}), 2, 2),
                    "product_of_jacobians: steps 2 to 2 of 3; expected 0 <= begin < end <= 3");
  CHECK_THROWS_AS(flow::product_of_jacobians(zeros({3, 4, 4}), 0, 1), ShapeError);
  CHECK_THROWS_WITH(flow::singular_values(zeros({3, 4})),
                    "singular_values: a tensor of shape [3, 4]; expected square matrices [..., n, n]");
  CHECK_THROWS_AS(flow::spectral_radii(zeros({2, 2}, DType::int64)), DTypeError);
  CHECK_THROWS_WITH(flow::condition_numbers(full({1, 2, 2}, NAN)),
                    "condition_numbers: matrix 0 holds a value that is not finite");
}
