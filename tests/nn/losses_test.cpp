#include <cmath>

#include "rill/autograd/gradcheck.h"
#include "rill/nn/loss.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/golden.h"

using namespace rill;

namespace {

Tensor integers(const std::vector<std::int64_t>& values) { return Tensor::from(values); }

template <class L>
void check_gradients(L loss, const Tensor& targets) {
  const auto f = [&](const std::vector<Tensor>& x) { return loss(x[0], targets); };
  const Tensor x = uniform({3, 4}, -2, 2, DType::float64);
  const auto first = gradcheck(f, {x});
  INFO(first.message);
  CHECK(first);
  const auto second = gradgradcheck(f, {x});
  INFO(second.message);
  CHECK(second);
}

}  // namespace

TEST_CASE("losses have first and second derivatives", "[nn][loss]") {
  seed(21);
  const Tensor labels = integers({1, 3, 0});
  const Tensor targets = uniform({3, 4}, 0, 1, DType::float64);
  check_gradients(nn::cross_entropy, labels);
  check_gradients(
      [](const Tensor& x, const Tensor& y) {
        return nn::cross_entropy(x, y,
                                 {.label_smoothing = 0.2,
                                  .ignored_index = 3,
                                  .class_weights = Tensor::from(std::vector<double>{1, 2, 3, 4})});
      },
      labels);
  check_gradients(
      [](const Tensor& x, const Tensor& y) { return nn::cross_entropy_from_probabilities(sigmoid(x), y); },
      labels);
  check_gradients(nn::mse, targets);
  check_gradients(nn::mae, targets);
  check_gradients(nn::Huber{.delta = 0.7}, targets);
  check_gradients(nn::binary_cross_entropy, targets);
}

TEST_CASE("cross_entropy takes a label for every step of a sequence", "[nn][loss]") {
  seed(22);
  const Tensor logits = uniform({2, 3, 4}, -1, 1, DType::float64);
  const Tensor labels = Tensor::from(std::vector<std::int64_t>{0, 1, 2, 3, 0, 1}, {2, 3});
  CHECK(nn::cross_entropy(logits, labels).item() ==
        Approx(nn::cross_entropy(reshape(logits, {6, 4}), reshape(labels, {6})).item()));
}

TEST_CASE("cross-entropy from probabilities equals that from logits", "[nn][loss]") {
  seed(23);
  const Tensor logits = uniform({4, 5}, -2, 2, DType::float64);
  const Tensor labels = integers({4, 0, 2, 2});
  CHECK(nn::cross_entropy_from_probabilities(softmax(logits), labels).item() ==
        Approx(nn::cross_entropy(logits, labels).item()));
  SECTION("and stays finite where the model was sure and wrong") {
    const Tensor sure = Tensor::from(std::vector<double>{1, 0}, {1, 2});
    CHECK(nn::cross_entropy_from_probabilities(sure, integers({1})).item() == Approx(-std::log(1e-7)));
  }
}

TEST_CASE("losses say what is wrong with their input", "[nn][loss][errors]") {
  const Tensor logits = zeros({2, 10});
  CHECK_THROWS_WITH(nn::cross_entropy(logits, integers({3, 10})),
                    "cross_entropy: label 10 at place 1 is out of range for 10 classes");
  CHECK_THROWS_WITH(nn::cross_entropy(logits, integers({-1, 2})),
                    "cross_entropy: label -1 at place 0 is out of range for 10 classes");
  CHECK_THROWS_WITH(nn::cross_entropy(logits, integers({1, 2, 3})),
                    "cross_entropy: scores [2, 10] and labels [3]; expected [..., classes] and [...]");
  CHECK_THROWS_WITH(nn::cross_entropy(logits, zeros({2})),
                    "cross_entropy: labels have dtype float32; expected int64");
  CHECK_THROWS_WITH(nn::cross_entropy(logits, integers({1, 1}), {.label_smoothing = 1}),
                    "cross_entropy: a label smoothing of 1; expected one in [0, 1)");
  CHECK_THROWS_WITH(nn::cross_entropy(logits, integers({1, 1}), {.class_weights = ones({9})}),
                    "cross_entropy: class weights [9]; expected [10]");
  CHECK_THROWS_WITH(nn::cross_entropy(logits, integers({7, 7}), {.ignored_index = 7}),
                    "cross_entropy: no label counts");
  CHECK_THROWS_WITH(nn::cross_entropy_from_probabilities(logits, integers({0, 11})),
                    "cross_entropy_from_probabilities: label 11 at place 1 is out of range for 10 classes");
  CHECK_THROWS_WITH(nn::mse(zeros({2, 1}), zeros({2})),
                    "mse: predictions [2, 1] and targets [2] differ in shape");
  CHECK_THROWS_WITH(nn::mae(zeros({3}), zeros({2})), "mae: predictions [3] and targets [2] differ in shape");
  CHECK_THROWS_WITH(nn::Huber{.delta = 0}(zeros({2}), zeros({2})), "huber: delta is 0; expected more than 0");
  CHECK_THROWS_WITH(nn::binary_cross_entropy(zeros({3}), zeros({2})),
                    "binary_cross_entropy: predictions [3] and targets [2] differ in shape");
}
