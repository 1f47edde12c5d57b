#include <limits>
#include <tuple>

#include "rill/autograd/fused.h"
#include "rill/autograd/gradcheck.h"
#include "rill/autograd/tape.h"
#include "rill/nn/gru.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/nn/state.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
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

// Outputs, states and all gradients are those with zeros in the padding, whatever stands there.
template <class L>
void check_padding(L layer) {
  const Tensor x = uniform({2, 4, 3}, -1, 1);
  const Tensor mask = integers({1, 1, 0, 0, 1, 1, 1, 1}, {2, 4});
  const Tensor counts = unsqueeze(cast(mask, DType::float32), -1);
  const auto outcome = [&](const Tensor& values, const nn::RecurrentCall<typename L::State>& call) {
    Tape tape;
    const Tensor source = tape.watch(values);
    const auto result = layer(source, call);
    const auto all = tape.all_gradients(sum(square(result.outputs)) + sum(square(result.last)), {source});
    std::vector<Tensor> out{result.outputs, result.last, all.sources[0]};
    for (const auto& state : result.state)
      for (const Tensor& part : nn::StateTraits<typename L::State>::pack(state)) out.push_back(part);
    for (const auto& [parameter, gradient] : all.parameters) out.push_back(gradient);
    return out;
  };
  const auto expected = outcome(where(counts, x, 0), {.mask = mask});
  CHECK(sum(abs(slice(expected[2], {0, {2, 4}}))).item() == 0);
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e30}) {
    const Tensor padded = where(counts, x, value);
    for (const auto& found :
         {outcome(padded, {.mask = mask}), outcome(padded, {.lengths = integers({2, 4}, {2})})}) {
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(difference(found[i], expected[i]) == 0);
    }
  }
}

template <class L>
void check_nothing_counts(L layer, std::int64_t batch) {
  const Tensor lengths = zeros({batch}, DType::int64);
  Tape tape;
  const Tensor x = tape.watch(uniform({batch, 5, 3}));
  const auto result = layer(x, {.lengths = lengths});
  CHECK(sum(abs(result.last)).item() == 0);
  const auto all = tape.all_gradients(sum(result.last), {x});
  REQUIRE(all.sources[0].defined());
  CHECK(all.sources[0].shape() == x.shape());
  CHECK(sum(abs(all.sources[0])).item() == 0);
  for (const auto& [name, parameter] : nn::parameters(layer)) {
    INFO(name);
    REQUIRE(all.parameters.contains(*parameter));
    CHECK(sum(abs(all.parameters[*parameter])).item() == 0);
  }
}

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

TEST_CASE("padding gets no gradient, and may hold anything", "[nn][recurrent]") {
  seed(44);
  check_padding(nn::LSTM(3, 4));
  check_padding(nn::LSTM(3, 4, {.layers = 2, .bidirectional = true}));
  check_padding(nn::LSTM(3, 4, {.peephole = true, .layer_norm = true, .projection = 2}));
  check_padding(nn::GRU(3, 4, {.layers = 2, .bidirectional = true}));
  check_padding(nn::GRU(3, 4, {.reset_after = false}));
  check_padding(nn::RNN(3, 4, {.activation = nn::Activation::relu}));
  check_padding(nn::Recurrent<CountingCell>(CountingCell()));
}

TEST_CASE("where no step counts the state stays, and all gradients are zeros", "[nn][recurrent]") {
  seed(48);
  check_nothing_counts(nn::LSTM(3, 4, {.layers = 2, .bidirectional = true}), 2);
  check_nothing_counts(nn::LSTM(3, 4, {.peephole = true, .layer_norm = true}), 2);
  check_nothing_counts(nn::GRU(3, 4, {.reset_after = false}), 2);
  check_nothing_counts(nn::RNN(3, 4, {.bidirectional = true}), 2);
  check_nothing_counts(nn::LSTM(3, 4), 0);
}

TEST_CASE("a model that is one recurrent layer goes on training where no step counts", "[nn][recurrent]") {
  seed(49);
  nn::LSTM layer(3, 4);
  const nn::State before = nn::state(layer);
  optim::SGD sgd({.learning_rate = 1});
  Tape tape;
  const auto run = layer(uniform({2, 5, 3}), {.lengths = integers({0, 0}, {2})});
  sgd.update(layer, std::move(tape).gradient(sum(square(run.last)) + sum(run.outputs)));
  CHECK(nn::differences(layer.fields(), before).empty());
  CHECK(difference(layer.cells()[0].recurrent.value(), before[2].second) == 0);
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

// A user's cell with one mistake or another.
struct WrongCell {
  using State = std::array<Tensor, 2>;
  enum class Mistake { none, input, width, dtype, first_width, first_dtype } mistake = Mistake::none;
  nn::Linear linear{3, 2};
  std::int64_t hidden_size() const { return 2; }
  Tensor input(const Tensor& x) const { return mistake == Mistake::input ? sum(linear(x), 0) : linear(x); }
  State initial_state(std::int64_t batch, DType dtype) const {
    return {zeros({batch, 2}, dtype), zeros({mistake == Mistake::first_width ? batch + 1 : batch, 2},
                                            mistake == Mistake::first_dtype ? DType::float64 : dtype)};
  }
  State operator()(const Tensor& x, const State& state) const {
    const Tensor h = tanh(x + state[0]);
    if (mistake == Mistake::width) return {h, concat({h, h}, -1)};
    if (mistake == Mistake::dtype) return {h, cast(h, DType::float64)};
    return {h, h};
  }
  nn::Fields fields() { return {{"linear", linear}}; }
  std::string kind() const { return "Wrong"; }
};

TEST_CASE("a cell that does not do what it should is named", "[nn][recurrent][errors]") {
  using Mistake = WrongCell::Mistake;
  const auto run = [](Mistake mistake) { nn::Recurrent<WrongCell>(WrongCell{mistake})(zeros({2, 5, 3})); };
  CHECK_NOTHROW(run(Mistake::none));
  CHECK_THROWS_AS(run(Mistake::input), ShapeError);
  CHECK_THROWS_WITH(run(Mistake::input),
                    "Wrong: input() took a sequence of shape [5, 2, 3] to [2, 2]; expected [5, 2, ...]");
  CHECK_THROWS_AS(run(Mistake::width), ShapeError);
  CHECK_THROWS_WITH(run(Mistake::width),
                    "Wrong: a step took part 1 of the state from shape [2, 2] to [2, 4]; expected [2, 2]");
  CHECK_THROWS_AS(run(Mistake::dtype), DTypeError);
  CHECK_THROWS_WITH(run(Mistake::dtype),
                    "Wrong: a step took part 1 of the state from float32 to float64; expected float32");
  CHECK_THROWS_WITH(run(Mistake::first_width),
                    "Wrong: part 1 of initial_state() has shape [3, 2]; expected [2, ...]");
  CHECK_THROWS_WITH(run(Mistake::first_dtype),
                    "Wrong: part 1 of initial_state() is float64; expected float32");
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
  const nn::LSTM lstm(3, 4);
  CHECK_THROWS_WITH(lstm(zeros({2, 5, 3}), {.initial = {{zeros({2, 4}), zeros({2, 4}, DType::float64)}}}),
                    "Recurrent: part 1 of initial state 0 is float64; expected float32");
  CHECK_THROWS_WITH(lstm(zeros({2, 5, 3}), {.initial = {{zeros({2, 4}), Tensor()}}}),
                    "Recurrent: part 1 of initial state 0 holds no value");
}
