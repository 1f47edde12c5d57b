#include <algorithm>
#include <cmath>
#include <limits>

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/tape.h"
#include "rill/autograd/transforms.h"
#include "rill/nn/loss.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/golden.h"

using namespace rill;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class F>
std::vector<double> gradient(F f, const Tensor& at) {
  Tape tape;
  const Tensor x = tape.watch(at);
  return tape.gradient(f(x), x).template to_vector<double>();
}

void check_near(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i);
    CHECK(found[i] == Approx(expected[i]).epsilon(1e-6).margin(1e-30));
  }
}

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

TEST_CASE("a class that cannot be enters no sum", "[nn][loss]") {
  const Tensor scores = tensor({{1, -infinity, 0}});
  const auto loss = [](const Tensor& x) { return nn::cross_entropy(x, integers({0})); };
  CHECK(loss(scores).item() == Approx(std::log1p(std::exp(-1.0))));
  const double other = 1 / (1 + std::exp(1.0));
  check_near(gradient(loss, scores), {-other, 0, other});
  CHECK(nn::cross_entropy(scores, integers({1})).item() == infinity);

  // Smoothing gives each class a share, unless its weight is 0.
  CHECK(nn::cross_entropy(scores, integers({0}), {.label_smoothing = 0.3}).item() == infinity);
  const auto smooth = [](const Tensor& x) {
    return nn::cross_entropy(x, integers({0}), {.label_smoothing = 0.3, .class_weights = tensor({1, 0, 1})});
  };
  const double l = std::log1p(std::exp(-1.0));
  CHECK(smooth(scores).item() == Approx(0.8 * l + 0.1 * (1 + l)));
  check_near(gradient(smooth, scores), {0.9 * (1 - other) - 0.8, 0, 0.9 * other - 0.1});
}

TEST_CASE("an example that does not count may hold anything", "[nn][loss]") {
  const Tensor scores = tensor(
      {{1, 2, 0}, {not_a_number, infinity, -infinity}, {-infinity, -infinity, -infinity}, {0, 1, -infinity}});
  const Tensor labels = integers({1, 7, 7, 2});
  const nn::CrossEntropyOptions options{.ignored_index = 7, .class_weights = tensor({1, 1, 0})};
  const auto loss = [&](const Tensor& x) { return nn::cross_entropy(x, labels, options); };
  const double all = std::exp(-1.0) + 1 + std::exp(-2.0);
  CHECK(loss(scores).item() == Approx(std::log(all)));
  CHECK(loss(scores).weight == 1);
  check_near(gradient(loss, scores),
             {std::exp(-1.0) / all, 1 / all - 1, std::exp(-2.0) / all, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("binary cross-entropy keeps its digits however sure the prediction is", "[nn][loss]") {
  for (const double x : {0.5, 10.0, 15.0, 20.0, 60.0})
    for (const double sign : {1.0, -1.0}) {
      const Tensor target = tensor({sign > 0 ? 1.0 : 0.0});
      const auto loss = [&](const Tensor& t) { return nn::binary_cross_entropy(t, target); };
      INFO(x * sign);
      CHECK(loss(tensor({x * sign})).item() == Approx(std::log1p(std::exp(-x))).epsilon(1e-6));
      check_near(gradient(loss, tensor({x * sign})), {-sign / (1 + std::exp(x))});
    }
  const Tensor sure = tensor({40}, DType::float64), one = tensor({1}, DType::float64);
  CHECK(nn::binary_cross_entropy(sure, one).item() == Approx(std::log1p(std::exp(-40.0))).epsilon(1e-14));
  CHECK(nn::binary_cross_entropy(tensor({3}), tensor({0.25})).item() ==
        Approx(0.25 * std::log1p(std::exp(-3.0)) + 0.75 * std::log1p(std::exp(3.0))));
}

TEST_CASE("binary cross-entropy of a certainty is 0 where it is right, else infinite", "[nn][loss]") {
  const Tensor certain = tensor({infinity, -infinity});
  const auto loss = [](const Tensor& x, const Tensor& t) { return nn::binary_cross_entropy(x, t); };
  CHECK(loss(certain, tensor({1, 0})).item() == 0);
  CHECK(loss(certain, tensor({0, 0})).item() == infinity);
  CHECK(gradient(
            [&](const Tensor& x) {
              return loss(x, tensor({1, 0}));
            },
            certain) == std::vector<double>{0, 0});
  CHECK(std::isnan(loss(tensor({not_a_number}), tensor({0})).item()));
}

TEST_CASE("cross-entropy keeps its digits where the right answer is sure", "[nn][loss]") {
  for (const double gap : {2.0, 5.0, 10.0, 20.0, 60.0}) {
    INFO(gap);
    const auto loss = [&](const Tensor& x) { return nn::cross_entropy(x, integers({0})).item(); };
    CHECK(loss(tensor({{gap, 0}})) == Approx(std::log1p(std::exp(-gap))).epsilon(1e-6));
    CHECK(loss(tensor({{100, 100 - gap, 100 - gap}})) ==
          Approx(std::log1p(2 * std::exp(-gap))).epsilon(1e-6));
  }
  // Its gradients are those of the other examples of the batch, too.
  check_near(gradient(
                 [](const Tensor& x) {
                   return nn::cross_entropy(x, integers({0, 1}));
                 },
                 tensor({{9, 0}, {0, 0}}, DType::float64)),
             {-0.5 / (1 + std::exp(9.0)), 0.5 / (1 + std::exp(9.0)), 0.25, -0.25});
}

TEST_CASE("huber has the second derivative 1 within delta, also at 0, and 0 beyond", "[nn][loss]") {
  const nn::Huber huber{.delta = 2};
  const auto second = [&](double residual) {
    const Tensor target = tensor({5}, DType::float64);
    return hessian([&](const Tensor& x) { return huber(x, target); }, target + residual).item();
  };
  for (const double residual : {0.0, 1.0, -1.0, 2.0, -2.0}) CHECK(second(residual) == 1);
  CHECK(second(2.5) == 0);
  CHECK(second(-2.5) == 0);
  const Tensor mixed = hessian([&](const Tensor& x) { return nn::mse(x, zeros({1}, DType::float64)); },
                               zeros({1}, DType::float64));
  CHECK(mixed.item() == 2);
}

TEST_CASE("an infinite error has an infinite loss and a bounded slope", "[nn][loss]") {
  const Tensor far = tensor({infinity, 1}), target = zeros({2});
  CHECK(nn::mse(far, target).item() == infinity);
  CHECK(nn::mae(far, target).item() == infinity);
  CHECK(nn::huber(far, target).item() == infinity);
  check_near(gradient([&](const Tensor& x) { return nn::mae(x, target); }, far), {0.5, 0.5});
  check_near(gradient([&](const Tensor& x) { return nn::huber(x, target); }, far), {0.5, 0.5});
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
