#include <tuple>

#include "rill/autograd/fused.h"
#include "rill/autograd/gradcheck.h"
#include "rill/autograd/tape.h"
#include "rill/nn/gru.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/golden.h"

using namespace rill;
using golden::difference;

namespace {

Tensor random(const Shape& shape) { return uniform(shape, -1, 1, DType::float64); }

Tensor integers(const std::vector<std::int64_t>& values, const Shape& shape) {
  return Tensor::from(values, shape);
}

template <class L>
L in_float64(L layer) {
  nn::to(layer, DType::float64);
  return layer;
}

template <class L>
void check_gradients(const L& layer, const nn::RecurrentCall<typename L::State>& call) {
  const auto f = [&](const std::vector<Tensor>& x) {
    const auto result = layer(x[0], call);
    return concat({reshape(result.outputs, {-1}), reshape(result.last, {-1})});
  };
  const auto first = gradcheck(f, {random({2, 4, 3})});
  INFO(first.message);
  CHECK(first);
  const auto second = gradgradcheck(f, {random({2, 4, 3})});
  INFO(second.message);
  CHECK(second);
}

// Two states of different width, as a tuple.
struct CountingCell {
  using State = std::tuple<Tensor, Tensor>;
  nn::Linear input{3, 2};
  std::int64_t hidden_size() const { return 2; }
  State initial_state(std::int64_t batch, DType dtype) const {
    return {zeros({batch, 2}, dtype), zeros({batch, 1}, dtype)};
  }
  State operator()(const Tensor& x, const State& state) const {
    return {tanh(x + std::get<0>(state)), std::get<1>(state) + 1};
  }
  nn::Fields fields() { return {{"input", input}}; }
};

}  // namespace

TEST_CASE("lengths are the mask that begins with ones", "[nn][recurrent]") {
  seed(41);
  const auto layer = in_float64(nn::LSTM(3, 4, {.layers = 2, .bidirectional = true}));
  const Tensor x = random({3, 4, 3});
  const auto by_length = layer(x, {.lengths = integers({4, 1, 2}, {3})});
  const auto by_mask = layer(x, {.mask = integers({1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0}, {3, 4})});
  CHECK(difference(by_mask.outputs, by_length.outputs) == 0);
  CHECK(difference(by_mask.last, by_length.last) == 0);
}

TEST_CASE("steps that a mask takes out are as if they were not there", "[nn][recurrent]") {
  seed(42);
  const auto layer = in_float64(nn::GRU(3, 4, {.bidirectional = true}));
  const Tensor x = random({2, 5, 3});
  const auto masked = layer(x, {.mask = integers({0, 1, 0, 1, 1, 0, 1, 0, 1, 1}, {2, 5})});
  const auto without = layer(index_select(x, 1, integers({1, 3, 4}, {3})));
  CHECK(difference(masked.last, without.last) < 1e-14);
  CHECK(difference(index_select(masked.outputs, 1, integers({1, 3, 4}, {3})), without.outputs) < 1e-14);
  CHECK(sum(abs(index_select(masked.outputs, 1, integers({0, 2}, {2})))).item() == 0);
}

TEST_CASE("a row of length 0 keeps its first state", "[nn][recurrent]") {
  seed(43);
  const auto layer = in_float64(nn::RNN(3, 4));
  const Tensor h = random({2, 4});
  const auto result = layer(random({2, 3, 3}), {.initial = {h}, .lengths = integers({0, 3}, {2})});
  CHECK(difference(select(result.last, 0, 0), select(h, 0, 0)) == 0);
  CHECK(sum(abs(select(result.outputs, 0, 0))).item() == 0);
}

TEST_CASE("padding gets no gradient, and may hold anything that is finite", "[nn][recurrent]") {
  seed(44);
  const nn::LSTM layer(3, 4);
  const Tensor lengths = integers({2, 4}, {2});
  const Tensor x = uniform({2, 4, 3});
  Tensor changed = x;
  for (std::size_t i = 6; i < 12; ++i) changed.mutable_span<float>()[i] = 1e30F;
  Tape tape;
  const Tensor source = tape.watch(changed);
  const auto result = layer(source, {.lengths = lengths});
  CHECK(difference(result.outputs, layer(x, {.lengths = lengths}).outputs) == 0);
  const Tensor gradient = tape.gradient(sum(square(result.outputs)), source);
  CHECK(sum(abs(slice(gradient, {0, {2, 4}}))).item() == 0);
  CHECK(sum(abs(slice(gradient, {0, {0, 2}}))).item() > 0);
}

TEST_CASE("gradients under masks match central differences, first and second order", "[nn][recurrent]") {
  seed(45);
  const Tensor lengths = integers({4, 2}, {2});
  const Tensor mask = integers({1, 0, 0, 1, 0, 1, 0, 1}, {2, 4});
  check_gradients(in_float64(nn::LSTM(3, 2)), {.lengths = lengths});
  check_gradients(in_float64(nn::LSTM(3, 3, {.projection = 2})), {.mask = mask});
  check_gradients(in_float64(nn::LSTM(3, 2, {.peephole = true, .layer_norm = true})), {.lengths = lengths});
  check_gradients(in_float64(nn::GRU(3, 2, {.layers = 2, .bidirectional = true})), {.lengths = lengths});
  check_gradients(in_float64(nn::GRU(3, 2, {.reset_after = false})), {.mask = mask});
  check_gradients(in_float64(nn::RNN(3, 2)), {.mask = mask});
}

TEST_CASE("a cell may have states of different widths, as a tuple", "[nn][recurrent]") {
  const nn::Recurrent<CountingCell> layer{CountingCell()};
  const auto result = layer(zeros({2, 5, 3}), {.lengths = integers({5, 3}, {2})});
  CHECK(std::get<1>(result.state[0]).to_vector<float>() == std::vector<float>{5, 3});
  CHECK(result.outputs.shape() == Shape{2, 5, 2});
}

TEST_CASE("recurrent layers say what is wrong with a mask", "[nn][errors]") {
  const nn::GRU layer(3, 4);
  CHECK_THROWS_WITH(layer(zeros({2, 5, 3}), {.mask = ones({5, 2})}),
                    "Recurrent: a mask of shape [5, 2]; expected [2, 5]");
  CHECK_THROWS_WITH(layer(zeros({2, 5, 3}), {.lengths = integers({5, 5}, {2}), .mask = ones({2, 5})}),
                    "Recurrent: both lengths and a mask were given; expected one of them");
  CHECK_THROWS_WITH(layer(zeros({2, 5, 3}), {.lengths = ones({2})}),
                    "Recurrent: lengths float32 [2]; expected int64 [2]");
  CHECK_THROWS_WITH(layer(zeros({2, 5, 3}), {.initial = {zeros({2, 4}), zeros({2, 4})}}),
                    "Recurrent: 2 initial states for 1 cells");
}
