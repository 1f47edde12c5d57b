#include <algorithm>
#include <cmath>

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/tape.h"
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

TEST_CASE("a loss says over how much it is the mean", "[nn][loss]") {
  const Tensor scores = tensor({{1, 2, 0}, {0, 0, 3}, {1, 1, 1}});
  CHECK(nn::cross_entropy(scores, integers({0, 2, 1})).weight == 3);
  CHECK(nn::cross_entropy(scores, integers({0, 2, 1}), {.ignored_index = 1}).weight == 2);
  CHECK(nn::cross_entropy(scores, integers({0, 2, 1}), {.class_weights = tensor({0.5, 2, 1})}).weight == 3.5);
  CHECK(nn::cross_entropy_from_probabilities(softmax(scores), integers({0, 2, 1})).weight == 3);
  CHECK(nn::mse(scores, scores).weight == 9);
  CHECK(nn::mae(scores, scores).weight == 9);
  CHECK(nn::huber(scores, scores).weight == 9);
  CHECK(nn::binary_cross_entropy(scores, ones({3, 3})).weight == 9);
  SECTION("and keeps it when something is added to it") {
    nn::MeanLoss loss = nn::mse(scores, scores);
    loss = loss + 1;
    loss += 1;
    CHECK(loss.item() == 2);
    CHECK(loss.weight == 9);
  }
}

TEST_CASE("the weighted mean of batches is the loss of the whole, whatever the batches", "[nn][loss]") {
  seed(24);
  const Tensor logits = uniform({8, 3}, -2, 2, DType::float64);
  const Tensor labels = integers({0, 1, 2, 0, 2, 2, 1, 0});
  const nn::CrossEntropyOptions options{
      .label_smoothing = 0.1, .ignored_index = 1, .class_weights = tensor({0.2, 7, 3}, DType::float64)};
  const nn::MeanLoss whole = nn::cross_entropy(logits, labels, options);
  for (std::int64_t batch : {1, 3, 4}) {
    double total = 0, weight = 0;
    for (std::int64_t at = 0; at < 8; at += batch) {
      const Range rows{at, std::min<std::int64_t>(at + batch, 8)};
      const nn::MeanLoss part = nn::cross_entropy(slice(logits, 0, rows), slice(labels, 0, rows), options);
      total += part.weight * part.item();
      weight += part.weight;
    }
    CHECK(weight == Approx(whole.weight));
    CHECK(total / weight == Approx(whole.item()));
  }
}

TEST_CASE("a batch in which no label counts has loss 0, weight 0 and gradient 0", "[nn][loss]") {
  const Tensor scores = tensor({{1, 2, 0}, {0, 0, 3}});
  const auto check = [&](const Tensor& labels, const nn::CrossEntropyOptions& options) {
    Tape tape;
    const Tensor x = tape.watch(scores);
    const nn::MeanLoss loss = nn::cross_entropy(x, labels, options);
    CHECK(loss.item() == 0);
    CHECK(loss.weight == 0);
    CHECK(tape.gradient(loss, x).to_vector<float>() == std::vector<float>(6, 0));
  };
  check(integers({7, 7}), {.ignored_index = 7});
  check(integers({2, 2}), {.label_smoothing = 0.1, .class_weights = tensor({1, 1, 0})});
  const Tensor none = Tensor::empty({0, 3});
  CHECK(nn::cross_entropy(none, integers({})).item() == 0);
  CHECK(nn::cross_entropy_from_probabilities(none, integers({})).weight == 0);
  CHECK(nn::mse(none, none).item() == 0);
  CHECK(nn::mae(none, none).item() == 0);
  CHECK(nn::huber(none, none).item() == 0);
  CHECK(nn::binary_cross_entropy(none, none).item() == 0);
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
  CHECK_THROWS_WITH(nn::cross_entropy(tensor({{1, 2}}), integers({1}), {.class_weights = tensor({1, -1})}),
                    "cross_entropy: a class weight of -1; expected finite numbers of at least 0");
  CHECK_THROWS_WITH(nn::cross_entropy_from_probabilities(logits, integers({0, 11})),
                    "cross_entropy_from_probabilities: label 11 at place 1 is out of range for 10 classes");
  CHECK_THROWS_WITH(nn::mse(zeros({2, 1}), zeros({2})),
                    "mse: predictions [2, 1] and targets [2] differ in shape");
  CHECK_THROWS_WITH(nn::mae(zeros({3}), zeros({2})), "mae: predictions [3] and targets [2] differ in shape");
  CHECK_THROWS_WITH(nn::Huber{.delta = 0}(zeros({2}), zeros({2})), "huber: delta is 0; expected more than 0");
  CHECK_THROWS_WITH(nn::binary_cross_entropy(zeros({3}), zeros({2})),
                    "binary_cross_entropy: predictions [3] and targets [2] differ in shape");
}
