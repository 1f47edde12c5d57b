#include <cmath>

#include "rill/autograd/fused.h"
#include "rill/autograd/gradcheck.h"
#include "rill/autograd/tape.h"
#include "rill/nn/dropout.h"
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

template <class L>
L in_float64(L layer) {
  nn::to(layer, DType::float64);
  return layer;
}

// The cells once more, of primitive operations alone.
struct PlainLSTM {
  using State = std::array<Tensor, 2>;
  nn::LSTMCell cell;
  std::int64_t hidden_size() const { return cell.hidden_size(); }
  Tensor input(const Tensor& x) const { return matmul(x, cell.input.kernel) + Tensor(*cell.input.bias); }
  State operator()(const Tensor& x, const State& state) const {
    const auto [i, f, g, o] = split<4>(x + matmul(state[0], cell.recurrent));
    const Tensor c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g);
    return {sigmoid(o) * tanh(c), c};
  }
  nn::Fields fields() { return {{"cell", cell}}; }
};

struct PlainGRU {
  using State = Tensor;
  nn::GRUCell cell;
  std::int64_t hidden_size() const { return cell.hidden_size(); }
  Tensor input(const Tensor& x) const { return matmul(x, cell.input.kernel) + Tensor(*cell.input.bias); }
  Tensor operator()(const Tensor& x, const Tensor& h) const {
    const auto [z, r, n] = split<3>(x);
    const auto [u, v, w] = split<3>(matmul(h, cell.recurrent) + Tensor(*cell.recurrent_bias));
    const Tensor update = sigmoid(z + u);
    return update * h + (1 - update) * tanh(n + sigmoid(r + v) * w);
  }
  nn::Fields fields() { return {{"cell", cell}}; }
};

// The minimal gated unit of Zhou et al. 2016: a user's own cell.
struct MinimalGatedCell {
  using State = Tensor;
  nn::Linear input{3, 8};
  Parameter recurrent{nn::orthogonal()({4, 8})};
  std::int64_t hidden_size() const { return 4; }
  Tensor operator()(const Tensor& x, const Tensor& h) const {
    return fused(
        [](auto forget, auto candidate, auto before) {
          auto keep = sigmoid(forget);
          return keep * before + (1 - keep) * tanh(candidate);
        },
        split<2>(matmul_add(h, recurrent, x)), h);
  }
  nn::Fields fields() { return {{"input", input}, {"recurrent", recurrent}}; }
};

template <class Built, class Plain>
void compare(Built& built, Plain& plain, const Tensor& x) {
  const Tensor weights = random({x.size(0), x.size(1), built.cells()[0].hidden_size()});
  const auto run = [&](auto& layer) {
    Tape tape;
    const Tensor source = tape.watch(x);
    const Tensor outputs = layer(source).outputs;
    const Tensor loss = sum(outputs * weights);
    std::vector<Tensor> all = {outputs, tape.gradient(loss, source)};
    const Gradients gradients = tape.gradient(loss);
    for (const auto& [name, parameter] : nn::parameters(layer)) all.push_back(gradients[*parameter]);
    return all;
  };
  const auto a = run(built), b = run(plain);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(difference(a[i], b[i]) < 1e-12);
}

template <class L>
void check_gradients(const L& layer, const nn::RecurrentCall<typename L::State>& call = {}) {
  const auto f = [&](const std::vector<Tensor>& x) { return layer(x[0], call).outputs; };
  const auto first = gradcheck(f, {random({2, 4, 3})});
  INFO(first.message);
  CHECK(first);
  const auto second = gradgradcheck(f, {random({2, 3, 3})});
  INFO(second.message);
  CHECK(second);
}

}  // namespace

TEST_CASE("built-in cells equal the same cells composed of primitive operations", "[nn][recurrent]") {
  seed(11);
  auto lstm = in_float64(nn::LSTM(5, 7));
  nn::Recurrent<PlainLSTM> plain_lstm(PlainLSTM{lstm.cells()[0]});
  compare(lstm, plain_lstm, random({3, 6, 5}));
  auto gru = in_float64(nn::GRU(5, 7));
  nn::Recurrent<PlainGRU> plain_gru(PlainGRU{gru.cells()[0]});
  compare(gru, plain_gru, random({3, 6, 5}));
}

TEST_CASE("gradients of recurrent layers match central differences, first and second order",
          "[nn][recurrent]") {
  seed(12);
  check_gradients(in_float64(nn::LSTM(3, 4)));
  check_gradients(in_float64(nn::LSTM(3, 2, {.layers = 2, .bidirectional = true})));
  check_gradients(
      in_float64(nn::LSTM(3, 2, {.recurrent_activation = nn::Activation::hard_sigmoid, .peephole = true})));
  check_gradients(in_float64(nn::LSTM(3, 3, {.layer_norm = true, .projection = 2})));
  check_gradients(in_float64(nn::GRU(3, 4)));
  check_gradients(in_float64(nn::GRU(3, 4, {.reset_after = false})));
  check_gradients(in_float64(nn::RNN(3, 4)));
  check_gradients(in_float64(nn::Recurrent<MinimalGatedCell>(MinimalGatedCell())));
  const auto lstm = in_float64(nn::LSTM(3, 2, {.bidirectional = true}));
  const auto f = [&](const std::vector<Tensor>& x) {
    return lstm(x[0], {.initial = {{x[1], x[2]}, {x[2], x[1]}},
                       .lengths = Tensor::from(std::vector<std::int64_t>{4, 2})})
        .outputs;
  };
  const auto result = gradcheck(f, {random({2, 4, 3}), random({2, 2}), random({2, 2})});
  INFO(result.message);
  CHECK(result);
}

TEST_CASE("rows of unequal lengths are as if each ran alone", "[nn][recurrent]") {
  seed(13);
  const auto layer = in_float64(nn::GRU(3, 4, {.layers = 2, .bidirectional = true}));
  const Tensor x = random({3, 5, 3});
  const std::vector<std::int64_t> lengths = {5, 2, 3};
  const auto together = layer(x, {.lengths = Tensor::from(lengths)});
  for (std::int64_t row = 0; row < 3; ++row) {
    const std::int64_t length = lengths[static_cast<std::size_t>(row)];
    const auto alone = layer(slice(x, {{row, row + 1}, {0, length}}));
    CHECK(difference(slice(together.outputs, {{row, row + 1}, {0, length}}), alone.outputs) < 1e-14);
    CHECK(difference(slice(together.last, 0, {row, row + 1}), alone.last) < 1e-14);
    CHECK(sum(abs(slice(together.outputs, {row, {length, 5}}))).item() == 0);
  }
}

TEST_CASE("the states of a recorded sequence lie where its outputs do", "[nn][recurrent]") {
  const auto shares = [](const Tensor& a, const Tensor& b) {
    return detail::TensorAccess::body(a).storage == detail::TensorAccess::body(b).storage;
  };
  const Tensor x = random({3, 6, 5});
  const Tensor lengths = Tensor::from(std::vector<std::int64_t>{6, 2, 6});
  const auto check = [&](auto layer) {
    const auto alone = layer(x);
    CHECK_FALSE(shares(alone.last, alone.outputs));  // to keep one state is not to keep them all
    const auto counted_alone = layer(x, {.lengths = lengths});
    Tape tape;
    const auto recorded = layer(x);
    CHECK(shares(recorded.last, recorded.outputs));
    CHECK(difference(recorded.outputs, alone.outputs) == 0);
    CHECK(difference(recorded.last, select(recorded.outputs, 1, 5)) == 0);
    const auto counted = layer(x, {.lengths = lengths});
    CHECK(difference(counted.outputs, counted_alone.outputs) == 0);
    CHECK(difference(counted.last, counted_alone.last) == 0);
  };
  check(in_float64(nn::LSTM(5, 4)));
  check(in_float64(nn::GRU(5, 4)));
  check(in_float64(nn::RNN(5, 4)));
}

TEST_CASE("a sequence in two parts, with the state handed on, equals the whole", "[nn][recurrent]") {
  seed(14);
  const auto layer = in_float64(nn::LSTM(3, 4, {.layers = 2}));
  const Tensor x = random({2, 6, 3});
  const auto whole = layer(x);
  const auto first = layer(slice(x, 1, {0, 2}));
  const auto second = layer(slice(x, 1, {2, 6}), {.initial = first.state});
  CHECK(difference(concat({first.outputs, second.outputs}, 1), whole.outputs) < 1e-14);
  CHECK(difference(second.state[1][1], whole.state[1][1]) < 1e-14);
}

TEST_CASE("a state from a tape that has ended is a constant: truncated backpropagation through time",
          "[nn][recurrent]") {
  const nn::GRU layer(3, 4);
  const Tensor x = uniform({2, 3, 3});
  std::vector<Tensor> state;
  {
    Tape tape;
    state = layer(x).state;
  }
  Tape tape;
  const Tensor loss = sum(layer(x, {.initial = state}).last);
  CHECK(tape.gradient(loss).contains(layer.cells()[0].recurrent));
  CHECK_THROWS_AS(tape.gradient(loss, state[0]), ValueError);
}

TEST_CASE("dropout acts while a tape records, or as TrainingMode says", "[nn][dropout]") {
  seed(15);
  const nn::Dropout drop(0.5);
  const Tensor x = ones({1000});
  CHECK(sum(drop(x)).item() == 1000);
  {
    const nn::TrainingMode on(true);
    const double kept = sum(drop(x)).item() / 2;
    CHECK(kept > 400);
    CHECK(kept < 600);
  }
  Tape tape;
  CHECK(sum(drop(x)).item() != 1000);
  const nn::TrainingMode off(false);
  CHECK(sum(drop(x)).item() == 1000);
}

TEST_CASE("recurrent dropout has one mask a sequence and none without training", "[nn][dropout]") {
  seed(16);
  const nn::LSTM layer(3, 4, {.recurrent_dropout = 0.5});
  const Tensor x = uniform({2, 5, 3});
  CHECK(layer(x).last.to_vector<float>() == layer(x).last.to_vector<float>());
  const nn::TrainingMode on(true);
  CHECK(layer(x).last.to_vector<float>() != layer(x).last.to_vector<float>());
}

TEST_CASE("a copied model is independent, and equal until it is changed", "[nn][model]") {
  nn::LSTM a(3, 4);
  nn::LSTM b = a;
  CHECK(nn::equal(a, b));
  b.cells()[0].recurrent.mutable_value().mutable_span<float>()[0] += 1;
  CHECK_FALSE(nn::equal(a, b));
  CHECK(nn::count_parameters(a) == 4 * 4 * (3 + 4 + 1));
}

TEST_CASE("initialisers give what they promise", "[nn][initializers]") {
  seed(17);
  const Tensor q = nn::orthogonal()({4, 16});
  CHECK(max(abs(matmul(q, transpose(q, 0, 1)) - eye(4))).item() < 1e-6);
  CHECK(max(abs(nn::identity()({3, 6}) - concat({eye(3), eye(3)}, 1))).item() == 0);
  const Tensor g = nn::glorot_uniform()({300, 100});
  CHECK(max(abs(g)).item() <= std::sqrt(6.0 / 400));
  CHECK(variance(g).item() == Approx(2.0 / 400).epsilon(0.05));
  const Tensor c = nn::chrono(100)({1000});
  CHECK(min(c).item() >= 0);
  CHECK(max(c).item() <= std::log(99.0) + 1e-6);
}

TEST_CASE("recurrent layers say what is wrong with their input", "[nn][errors]") {
  const nn::LSTM layer(3, 4);
  CHECK_THROWS_WITH(layer(zeros({2, 3})),
                    "Recurrent: an input of shape [2, 3]; expected [batch, time, features]");
  CHECK_THROWS_WITH(layer(zeros({2, 0, 3})), "Recurrent: the input of shape [2, 0, 3] has no time steps");
  CHECK_THROWS_WITH(layer(zeros({2, 5, 7})), ContainsSubstring("expected 3 on the last axis"));
  CHECK_THROWS_WITH(layer(zeros({2, 5, 3}), {.lengths = Tensor::from(std::vector<std::int64_t>{5, 6})}),
                    "Recurrent: length 6 at place 1 does not lie in [0, 5]");
  CHECK_THROWS_WITH(layer(zeros({2, 5, 3}), {.initial = {{zeros({2, 4}), zeros({2, 5})}}}),
                    "Recurrent: part 1 of initial state 0 has shape [2, 5]; expected [2, 4]");
  CHECK_THROWS_WITH(nn::LSTM(3, 0), "LSTM: sizes 3 and 0, projection 0; expected sizes of at least 1");
  CHECK_THROWS_WITH(nn::Dropout(1.0), "Dropout: a rate of 1; expected one in [0, 1)");
  CHECK_THROWS_WITH(nn::LSTM(3, 4, {.layers = 0}), "Recurrent: 0 layers; expected at least 1");
}
