#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/optim/adagrad.h"
#include "rill/optim/adam.h"
#include "rill/optim/optimizer.h"
#include "rill/optim/rmsprop.h"
#include "rill/optim/sgd.h"
#include "tests/catch.h"
#include "tests/optim/model.h"

using namespace optim_test;

TEST_CASE("every optimiser fits a line while the tape still holds the weights", "[optim][training]") {
  const std::vector<optim::Optimizer> all{
      optim::SGD({.learning_rate = 0.1}),
      optim::SGD({.learning_rate = 0.05, .momentum = 0.9, .nesterov = true}),
      optim::Adam({.learning_rate = 0.05}),
      optim::AdamW({.learning_rate = 0.05, .weight_decay = 0}),
      optim::RMSprop({.learning_rate = 0.02}),
      optim::Adagrad({.learning_rate = 0.5})};
  const Tensor x = wave_tensor<float>({64, 3}, 0.2);
  const Tensor y = matmul(x, Tensor::from(std::vector<float>{1, -2, 0.5f}, {3, 1})) + 0.25;
  for (optim::Optimizer optimizer : all) {
    INFO(optimizer.state().rule);
    Layer line{Parameter(Tensor::from(std::vector<float>(3, 0), {3, 1})),
               Parameter(Tensor::from(std::vector<float>{0}))};
    double first = 0, last = 0;
    for (int step = 0; step < 300; ++step) {
      Tape tape;
      const Tensor error = matmul(x, line.kernel) + line.bias - y;
      const Tensor loss = mean(error * error);
      optimizer.update(line, tape.gradient(loss));
      (step == 0 ? first : last) = loss.item();
    }
    CHECK(last < 0.01 * first);
  }
}
