#include "rill/flow/credit.h"

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

namespace {

double largest(const Tensor& x) { return max(abs(x)).item(); }

Tensor sequence(std::int64_t batch = 3, std::int64_t time = 6) {
  return Generator(1).normal({batch, time, 2}, 0, 1, DType::float64);
}

// The sum over time of what each step contributes against the gradient of a sweep without a Credit.
template <class Layer>
void check_sums(Layer layer, const nn::RecurrentCall<typename Layer::State>& call = {}) {
  nn::to(layer, DType::float64);
  const Tensor x = sequence();
  const Tensor weights = Generator(2).normal(layer(x).outputs.shape(), 0, 1, DType::float64);
  const auto loss = [&] { return sum(weights * square(layer(x, call).outputs)); };
  const Gradients expected = [&] {
    Tape tape;
    return tape.gradient(loss());
  }();

  flow::Credit credit(layer, {.keep_gradients = true});
  Tape tape;
  const Gradients whole = tape.gradient(loss());
  for (const auto& [name, parameter] : nn::parameters(layer)) {
    INFO(name);
    const auto terms = credit.gradients(*parameter);
    REQUIRE(terms.size() == 6);
    Tensor total = zeros_like(parameter->value());
    for (const Tensor& term : terms)
      if (term.defined()) total += term;
    const double scale = largest(expected[*parameter]);
    CHECK(largest(total - expected[*parameter]) <= 1e-12 * scale);
    CHECK(largest(whole[*parameter] - expected[*parameter]) <= 1e-12 * scale);
    const Tensor norms = credit.norms(*parameter);
    for (std::int64_t t = 0; t < 6; ++t) {
      const Tensor& term = terms[static_cast<std::size_t>(t)];
      const double length = term.defined() ? norm(term).item() : 0;
      CHECK(select(norms, 0, t).item() == Approx(length).epsilon(1e-12));
    }
  }
}

// Zhou et al. 2016, as a user writes it.
struct MinimalGatedCell {
  using State = Tensor;
  nn::Linear input{2, 6};
  Parameter recurrent{Generator(3).normal({3, 6}, 0, 0.5)};

  std::int64_t hidden_size() const { return 3; }
  Tensor operator()(const Tensor& gates, const Tensor& h) const {
    const auto [f, n] = split<2>(gates + matmul(h, recurrent));
    return sigmoid(f) * h + (1 - sigmoid(f)) * tanh(n);
  }
  nn::Fields fields() { return {{"input", input}, {"recurrent", recurrent}}; }
};

}  // namespace

TEST_CASE("the contributions of time steps to the gradients of all weights of a layer add up to them",
          "[flow][credit]") {
  SECTION("RNN") { check_sums(nn::RNN(2, 4)); }
  SECTION("LSTM") { check_sums(nn::LSTM(2, 4)); }
  SECTION("LSTM with all its options") {
    check_sums(nn::LSTM(2, 4, {.peephole = true, .layer_norm = true, .projection = 3}));
  }
  SECTION("GRU") { check_sums(nn::GRU(2, 4)); }
  SECTION("GRU with the reset before the product") { check_sums(nn::GRU(2, 4, {.reset_after = false})); }
  SECTION("two layers in both directions") {
    check_sums(nn::LSTM(2, 3, {.layers = 2, .bidirectional = true}));
  }
  SECTION("a user's cell") { check_sums(nn::Recurrent(MinimalGatedCell{})); }
  SECTION("sequences of unequal lengths") {
    check_sums(nn::GRU(2, 4), {.lengths = tensor({6, 2, 4}, DType::int64)});
  }
}

TEST_CASE("what a step contributes to an RNN's weight is h_{t-1}^T dL/dz_t", "[flow][credit]") {
  nn::RNN layer(2, 3);
  nn::to(layer, DType::float64);
  const nn::RNNCell& cell = layer.cells()[0];
  const Tensor x = sequence();
  const auto loss_of = [](const Tensor& h) { return sum(square(h)); };

  flow::Credit credit(layer, {.keep_gradients = true});
  {
    Tape tape;
    tape.gradient(loss_of(layer(x).last));
  }
  Tape tape;
  std::vector<Tensor> before, preactivations;
  Tensor h = zeros({3, 3}, DType::float64);
  for (std::int64_t t = 0; t < 6; ++t) {
    before.push_back(h);
    preactivations.push_back(matmul(h, cell.recurrent) + cell.input(select(x, 1, t)));
    h = tanh(preactivations.back());
  }
  const auto deltas = tape.gradient(loss_of(h), preactivations);
  const auto terms = credit.gradients(cell.recurrent);
  const auto inputs = credit.gradients(cell.input.kernel);
  for (std::size_t t = 0; t < 6; ++t) {
    CHECK(largest(terms[t] - matmul(transpose(before[t]), deltas[t])) < 1e-14);
    CHECK(largest(inputs[t] - matmul(transpose(select(x, 1, static_cast<std::int64_t>(t))), deltas[t])) <
          1e-14);
  }
}

TEST_CASE("steps after the last that the loss sees contribute nothing; times are those of the sequence",
          "[flow][credit]") {
  for (const bool backwards : {false, true}) {
    nn::RNN layer(2, 3, {.bidirectional = true});
    nn::to(layer, DType::float64);
    flow::Credit credit(layer);
    Tape tape;
    tape.gradient(sum(square(select(layer(sequence()).outputs, 1, 2))));
    const auto norms = credit.norms(layer.cells()[backwards].recurrent).to_vector<double>();
    // A backward cell begins at step 5, before which its state is 0.
    for (std::size_t t = 0; t < 6; ++t)
      CHECK((norms[t] > 0) == (backwards ? t >= 2 && t < 5 : t > 0 && t <= 2));
  }
}

TEST_CASE("a Credit watches the parameters that it is given, while it is in scope", "[flow][credit]") {
  nn::RNN layer(2, 3), other(2, 3);
  nn::to(layer, DType::float64);
  const auto size = [&] {
    Tape tape;
    layer(sequence());
    return tape.size();
  };
  const auto before = size();
  {
    flow::Credit credit(nn::Fields{{"recurrent", layer.cells()[0].recurrent}});
    CHECK(size() > before);
    CHECK_THROWS_WITH(credit.norms(layer.cells()[0].input.kernel),
                      ContainsSubstring("no recurrent layer used"));
    CHECK_THROWS_AS(credit.norms(other.cells()[0].recurrent), ValueError);
    CHECK_THROWS_AS(credit.gradients(layer.cells()[0].recurrent), ValueError);
    CHECK(largest(credit.norms(layer.cells()[0].recurrent)) == 0);
  }
  CHECK(size() == before);
}

TEST_CASE("a Credit follows the tape that was begun last", "[flow][credit]") {
  nn::RNN layer(2, 3);
  nn::to(layer, DType::float64);
  const Tensor x = sequence();
  const auto loss = [&] { return sum(square(layer(x).last)); };
  const Parameter& recurrent = layer.cells()[0].recurrent;
  const Tensor expected = [&] {
    Tape tape;
    return tape.gradient(loss())[recurrent];
  }();

  flow::Credit credit(layer, {.keep_gradients = true});
  Tape outer;
  const Tensor before = loss();
  for (int i = 0; i < 2; ++i) {
    Tape inner;
    CHECK(largest(inner.gradient(loss())[recurrent] - expected) < 1e-12);
    Tensor total = zeros_like(expected);
    for (const Tensor& term : credit.gradients(recurrent))
      if (term.defined()) total += term;
    CHECK(largest(total - expected) < 1e-12);
  }
  CHECK(largest(outer.gradient(before)[recurrent] - expected) < 1e-12);
}

TEST_CASE("OnParameterUse changes what operations see of a parameter, and its gradient with it",
          "[autograd][parameter]") {
  Parameter w(tensor({1, 2}, DType::float64)), frozen(tensor({5, 5}, DType::float64));
  frozen.trainable = false;
  OnParameterUse twice([](const Parameter&, const Tensor& value) { return value * 2; });
  Tape tape;
  const Tensor y = w * Tensor(frozen);
  CHECK(y.to_vector<double>() == std::vector<double>{10, 20});
  CHECK(tape.gradient(sum(y))[w].to_vector<double>() == std::vector<double>{10, 10});
  {
    OnParameterUse inner([](const Parameter&, const Tensor& value) { return value; });
    CHECK(Tensor(w).to_vector<double>() == std::vector<double>{1, 2});
  }
  CHECK(Tensor(w).to_vector<double>() == std::vector<double>{2, 4});
  const PauseRecording pause;
  CHECK(Tensor(w).to_vector<double>() == std::vector<double>{1, 2});
}
