#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

TEST_CASE("a state carried out of an ended tape truncates backpropagation through time",
          "[flow][truncated]") {
  nn::LSTM lstm(2, 3);
  nn::to(lstm, DType::float64);
  const Tensor x = Generator(1).normal({2, 9, 2}, 0, 1, DType::float64);
  const auto loss_of = [](const Tensor& outputs) { return sum(square(outputs)); };

  // The idiom: a tape for each piece, the state goes from one to the next.
  std::vector<Gradients> truncated;
  std::vector<nn::LSTM::State> state;
  Tensor last;
  for (std::int64_t begin = 0; begin < 9; begin += 3) {
    Tape tape;
    const auto run = lstm(slice(x, 1, {begin, begin + 3}), {.initial = state});
    truncated.push_back(tape.gradient(loss_of(run.outputs)));
    state = run.state;
    last = run.last;
  }

  CHECK(max(abs(last - lstm(x).last)).item() < 1e-15);
  // Each piece alone, from a state that is a number.
  const auto middle = lstm(slice(x, 1, {0, 6})).state[0];
  Tape tape;
  const auto run =
      lstm(slice(x, 1, {6, 9}), {.initial = {{stop_gradient(middle[0]), stop_gradient(middle[1])}}});
  const Gradients expected = tape.gradient(loss_of(run.outputs));
  const Gradients whole = tape.gradient(loss_of(slice(lstm(x).outputs, 1, {6, 9})));
  const Parameter& weight = lstm.cells()[0].recurrent;
  CHECK(max(abs(truncated[2][weight] - expected[weight])).item() < 1e-14);
  CHECK(max(abs(truncated[2][weight] - whole[weight])).item() > 1e-3);
}
