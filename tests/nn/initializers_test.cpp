#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/nn/gru.h"
#include "rill/nn/initializers.h"
#include "rill/nn/lstm.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/golden.h"

using namespace rill;

namespace {

// Mean 0 and this variance, and no element beyond `bound`.
void check_distribution(const nn::Initializer& make, double expected_variance, double bound) {
  const Tensor x = make({300, 100});
  CHECK(std::abs(mean(x).item()) < 0.03 * std::sqrt(expected_variance));
  CHECK(variance(x).item() == Approx(expected_variance).epsilon(0.05));
  CHECK(max(abs(x)).item() <= bound);
}

}  // namespace

TEST_CASE("Glorot and He initialisers have their variance and bounds", "[nn][initializers]") {
  seed(51);
  check_distribution(nn::glorot_uniform(), 2.0 / 400, std::sqrt(6.0 / 400));
  check_distribution(nn::glorot_normal(), 2.0 / 400, 1);
  check_distribution(nn::he_uniform(), 2.0 / 300, std::sqrt(6.0 / 300));
  check_distribution(nn::he_normal(), 2.0 / 300, 1);
  check_distribution(nn::normal_initializer(0, 0.5), 0.25, 10);
  check_distribution(nn::uniform_initializer(-3, 3), 3, 3);
}

TEST_CASE("orthogonal matrices keep lengths, times their gain", "[nn][initializers]") {
  seed(52);
  const Tensor tall = nn::orthogonal(2)({20, 5});
  CHECK(max(abs(matmul(transpose(tall), tall) - 4 * eye(5))).item() < 1e-5);
  const Tensor wide = nn::orthogonal()({5, 20});
  CHECK(max(abs(matmul(wide, transpose(wide)) - eye(5))).item() < 1e-6);
}

TEST_CASE("the defaults of cells are Keras's", "[nn][initializers]") {
  seed(53);
  const nn::LSTM lstm(6, 4);
  const nn::LSTMCell& cell = lstm.cells()[0];
  const Tensor& recurrent = cell.recurrent.value();
  CHECK(max(abs(matmul(recurrent, transpose(recurrent)) - eye(4))).item() < 1e-6);
  CHECK(max(abs(cell.input.kernel.value())).item() <= std::sqrt(6.0 / (6 + 16)));
  CHECK(cell.input.bias->value().to_vector<float>() ==
        std::vector<float>{0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  const nn::GRU gru(6, 4);
  CHECK(max(abs(gru.cells()[0].input.bias->value())).item() == 0);
  CHECK(max(abs(gru.cells()[0].recurrent_bias->value())).item() == 0);
}

TEST_CASE("chrono initialisation spreads forget biases, and input biases are their negatives",
          "[nn][initializers]") {
  seed(54);
  const nn::LSTM lstm(1, 500, {.longest_dependency = 100});
  const Tensor bias = lstm.cells()[0].input.bias->value();
  const auto gates = split<4>(bias);
  CHECK(min(gates[1]).item() >= 0);
  CHECK(max(gates[1]).item() <= std::log(99.0) + 1e-6);
  CHECK(mean(exp(gates[1])).item() == Approx(50).epsilon(0.1));
  CHECK(max(abs(gates[0] + gates[1])).item() == 0);
  CHECK(max(abs(gates[2])).item() + max(abs(gates[3])).item() == 0);
  const nn::GRU gru(1, 500, {.longest_dependency = 100});
  const auto parts = split<3>(gru.cells()[0].input.bias->value());
  CHECK(mean(exp(parts[0])).item() == Approx(50).epsilon(0.1));
  CHECK(max(abs(parts[1])).item() == 0);
}

TEST_CASE("an IRNN begins as the identity", "[nn][initializers]") {
  const nn::RNN layer(2, 3, {.activation = nn::Activation::relu, .recurrent_initializer = nn::identity()});
  const Tensor h = Tensor::from(std::vector<float>{1, 2, 3}, {1, 3});
  CHECK(layer(zeros({1, 50, 2}), {.initial = {h}}).last.to_vector<float>() == std::vector<float>{1, 2, 3});
}
