#include "rill/autograd/gradcheck.h"
#include "rill/autograd/tape.h"
#include "rill/nn/dropout.h"
#include "rill/nn/embedding.h"
#include "rill/nn/gru.h"
#include "rill/nn/layer_norm.h"
#include "rill/nn/linear.h"
#include "rill/nn/model.h"
#include "rill/nn/sequential.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/golden.h"

using namespace rill;
using golden::difference;

namespace {

Tensor random(const Shape& shape) { return uniform(shape, -1, 1, DType::float64); }

template <class M>
M in_float64(M module) {
  nn::to(module, DType::float64);
  return module;
}

template <class M>
void check_gradients(const M& layer, const Tensor& x) {
  const auto f = [&](const std::vector<Tensor>& inputs) { return layer(inputs[0]); };
  const auto first = gradcheck(f, {x});
  INFO(first.message);
  CHECK(first);
  const auto second = gradgradcheck(f, {x});
  INFO(second.message);
  CHECK(second);
}

}  // namespace

TEST_CASE("Linear is x kernel + bias along the last axis", "[nn][linear]") {
  seed(31);
  const auto layer = in_float64(nn::Linear(3, 2, {.bias_initializer = nn::constant(0.5)}));
  const Tensor x = random({4, 5, 3});
  const Tensor y = layer(x);
  CHECK(y.shape() == Shape{4, 5, 2});
  CHECK(difference(y, matmul(x, layer.kernel.value()) + 0.5) < 1e-14);
  check_gradients(layer, x);
  SECTION("without a bias it has one parameter") {
    nn::Linear plain(3, 2, {.bias = false});
    CHECK(nn::parameters(plain).size() == 1);
    CHECK(sum(abs(plain(zeros({1, 3})))).item() == 0);
  }
  SECTION("one vector is enough") { CHECK(layer(random({3})).shape() == Shape{2}); }
}

TEST_CASE("Embedding takes a row for each symbol, and its gradient adds up over them", "[nn][embedding]") {
  const nn::Embedding words(5, 3);
  const Tensor symbols = Tensor::from(std::vector<std::int64_t>{4, 1, 4, 0}, {2, 2});
  Tape tape;
  const Tensor vectors = words(symbols);
  CHECK(vectors.shape() == Shape{2, 2, 3});
  CHECK(difference(slice(vectors, {0, 0}), slice(words.table.value(), {4})) == 0);
  const Gradients gradients = tape.gradient(sum(vectors));
  CHECK(gradients[words.table].to_vector<float>() ==
        std::vector<float>{1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 2, 2});
}

TEST_CASE("LayerNorm gives every row mean 0 and variance 1", "[nn][layer_norm]") {
  seed(32);
  const auto layer = in_float64(nn::LayerNorm(6, 0));
  const Tensor x = random({4, 6}) * 7 + 3;
  const Tensor y = layer(x);
  CHECK(max(abs(mean(y, -1))).item() < 1e-14);
  CHECK(max(abs(mean(square(y), -1) - 1)).item() < 1e-13);
  check_gradients(in_float64(nn::LayerNorm(4)), random({2, 4}));
}

TEST_CASE("Sequential calls layer after layer, of a recurrent one it takes the outputs", "[nn][sequential]") {
  nn::Sequential model(
      nn::Linear(3, 4), [](const Tensor& x) { return relu(x); }, nn::GRU(4, 5), nn::Dropout(0.5),
      nn::Linear(5, 2));
  CHECK(model(zeros({2, 7, 3})).shape() == Shape{2, 7, 2});
  std::vector<std::string> names;
  for (const auto& [name, parameter] : nn::parameters(model)) names.push_back(name);
  CHECK(names == std::vector<std::string>{"0.kernel", "0.bias", "2.input.kernel", "2.input.bias",
                                          "2.recurrent", "2.recurrent_bias", "4.kernel", "4.bias"});
}

TEST_CASE("dropout scales what it keeps, and has the gradient of its mask", "[nn][dropout]") {
  seed(33);
  const nn::Dropout drop(0.25);
  Tape tape;
  const Tensor x = tape.watch(ones({1000}));
  const Tensor y = drop(x);
  const Tensor kept = y > 0;
  CHECK(sum(kept).item() == Approx(750).epsilon(0.1));
  CHECK(difference(y, kept / 0.75) < 1e-6);
  CHECK(difference(tape.gradient(sum(y), x), y) == 0);
  SECTION("the same seed gives the same mask") {
    seed(33);
    CHECK(difference(drop(x), y) == 0);
  }
}

TEST_CASE("layers say what is wrong with their sizes and input", "[nn][errors]") {
  CHECK_THROWS_WITH(nn::Linear(3, 2)(zeros({4, 5})),
                    "Linear: an input of shape [4, 5]; expected 3 on the last axis");
  CHECK_THROWS_WITH(nn::Linear(-1, 2), "Linear: sizes -1 and 2; expected none below 0");
  CHECK_THROWS_WITH(nn::LayerNorm(3)(zeros({4, 5})),
                    "LayerNorm: an input of shape [4, 5]; expected 3 on the last axis");
  CHECK_THROWS_WITH(nn::LayerNorm(3, -1), "LayerNorm: epsilon is -1; expected 0 or more");
  CHECK_THROWS_WITH(nn::Embedding(0, 3), "Embedding: 0 symbols of size 3; expected at least 1");
  CHECK_THROWS_AS(nn::Embedding(5, 3)(Tensor::from(std::vector<std::int64_t>{5})), ValueError);
  CHECK_THROWS_WITH(nn::Embedding(5, 3)(Tensor::from(std::vector<std::int64_t>{0, -1})),
                    "Embedding: symbol -1 at place 1 is out of range for 5 symbols");
  CHECK_THROWS_AS(nn::Embedding(5, 3)(zeros({2})), DTypeError);
  CHECK_THROWS_WITH(nn::Dropout(-0.5), "Dropout: a rate of -0.5; expected one in [0, 1)");
  CHECK_THROWS_WITH(nn::chrono(2), "chrono: dependencies of up to 2 steps; expected more than 2");
  CHECK_THROWS_WITH(nn::orthogonal()({4}), "orthogonal: shape [4] is no matrix");
  CHECK_THROWS_WITH(nn::identity()({3, 4}), "identity: shape [3, 4] is not made of square blocks");
}

TEST_CASE("what dropout drops is zero, were it infinite, in the value and in the gradient", "[nn][dropout]") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  seed(3);
  const nn::TrainingMode on(true);
  const Tensor dropped = nn::dropout(full({1000}, infinity), 0.5);
  CHECK(sum(equal(dropped, 0)).item() > 400);
  CHECK(sum(equal(dropped, infinity)).item() > 400);
  CHECK(sum(equal(nn::dropout(full({1000}, std::nan("")), 0.5), 0)).item() > 400);

  const Tensor mask = tensor({0, 2, 0, 2});
  Tape tape;
  const Tensor x = tape.watch(tensor({infinity, 3, -1, -infinity}));
  const Tensor y = nn::dropout(x, mask);
  CHECK(y.to_vector<float>() == std::vector<float>{0, 6, 0, -infinity});
  CHECK(tape.gradient({y, tensor({infinity, 1, std::nan(""), 1})}, x).to_vector<float>() ==
        std::vector<float>{0, 2, 0, 2});
  CHECK(gradgradcheck([&](const auto& in) { return nn::dropout(square(in[0]), cast(mask, DType::float64)); },
                      {tensor({1, 2, 3, 4}, DType::float64)}));
}
