#include "rill/optim/clip.h"

#include <cmath>
#include <limits>

#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"
#include "tests/optim/model.h"

using namespace optim_test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

double norm(const Tensor& x) {
  double total = 0;
  for (double value : x.to_vector<double>()) total += value * value;
  return std::sqrt(total);
}

}  // namespace

TEST_CASE("global_norm is the length of all gradients together", "[optim][clip]") {
  Model model = make_model();
  Gradients gradients;
  CHECK(optim::global_norm(gradients) == 0);
  gradients.set(model.hidden.bias.id(), Tensor::from(std::vector<double>{3, 0, 0}));
  gradients.set(model.output.bias.id(), Tensor::from(std::vector<double>{0, 0, 4}));
  CHECK(optim::global_norm(gradients) == 5);
}

TEST_CASE("the norm of a million float32 elements does not depend on rounding", "[optim][clip]") {
  Parameter weight(Tensor::from(std::vector<float>(1'000'003, 0.1f)));
  Gradients gradients;
  gradients.set(weight.id(), weight.value());
  const double each = static_cast<double>(0.1f);
  CHECK(optim::global_norm(gradients) == Approx(each * std::sqrt(1'000'003.0)).epsilon(1e-12));
}

TEST_CASE("clip_by_global_norm scales all gradients alike", "[optim][clip]") {
  Model model = make_model();
  Gradients gradients = make_gradients(model, 1);
  const Gradients before = gradients;
  const double length = optim::global_norm(gradients);
  REQUIRE(length > 1);
  CHECK(optim::clip_by_global_norm(gradients, 0.5) == length);
  CHECK(optim::global_norm(gradients) == Approx(0.5));
  const auto was = before[model.output.kernel].to_vector<double>();
  const auto is = gradients[model.output.kernel].to_vector<double>();
  for (std::size_t i = 0; i < was.size(); ++i) CHECK(is[i] == Approx(was[i] * 0.5 / length));
}

TEST_CASE("clip_by_global_norm leaves short gradients as they are", "[optim][clip]") {
  Model model = make_model();
  Gradients gradients = make_gradients(model, 1);
  const Gradients before = gradients;
  optim::clip_by_global_norm(gradients, 1e3);
  CHECK(gradients[model.hidden.kernel].to_vector<double>() ==
        before[model.hidden.kernel].to_vector<double>());
}

TEST_CASE("clip_by_norm bounds each gradient alone, clip_by_value each element", "[optim][clip]") {
  Model model = make_model();
  Gradients gradients = make_gradients(model, 1);
  gradients[model.hidden.bias] = Tensor::from(std::vector<double>{0.1, 0, 0});
  optim::clip_by_norm(gradients, 0.7);
  CHECK(norm(gradients[model.output.kernel]) == Approx(0.7));
  CHECK(norm(gradients[model.hidden.bias]) == Approx(0.1));

  gradients[model.hidden.bias] = Tensor::from(std::vector<double>{-3, 0.25, 3});
  optim::clip_by_value(gradients, 0.5);
  CHECK(gradients[model.hidden.bias].to_vector<double>() == std::vector<double>{-0.5, 0.25, 0.5});
}

TEST_CASE("gradients are clipped however large they are", "[optim][clip]") {
  const auto clipped = [](const Tensor& first, const Tensor& second, double bound, bool each) {
    Parameter a(first), b(second);
    Gradients gradients;
    gradients.set(a.id(), first);
    gradients.set(b.id(), second);
    if (each)
      optim::clip_by_norm(gradients, bound);
    else
      optim::clip_by_global_norm(gradients, bound);
    return std::pair{gradients[a].to_vector<double>(), gradients[b].to_vector<double>()};
  };
  const auto check = [](const std::vector<double>& found, const std::vector<double>& expected) {
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]).epsilon(1e-6));
  };
  const Tensor zero = zeros({1}, DType::float64);
  for (const double size : {1e200, 1e308}) {
    const Tensor large = tensor({size, -size}, DType::float64), third = tensor({size}, DType::float64);
    const double share = 1 / std::sqrt(3.0);
    const auto [first, second] = clipped(large, third, 1, false);
    check(first, {share, -share});
    check(second, {share});
    check(clipped(large, zero, 2, true).first, {std::sqrt(2.0), -std::sqrt(2.0)});
  }
  // A factor that would be too small for the dtype.
  check(clipped(full({4}, 3e38), zeros({1}), 1e-3, false).first, {5e-4, 5e-4, 5e-4, 5e-4});
  // Small ones keep to a small bound, and stay as they are below it.
  const Tensor small = tensor({3e-200, 4e-200}, DType::float64);
  check(clipped(small, zero, 1e-200, false).first, {0.6e-200, 0.8e-200});
  CHECK(clipped(small, zero, 1, false).first == small.to_vector<double>());
}

TEST_CASE("the norm of very large and very small gradients", "[optim][clip]") {
  for (const double size : {1e200, 1e-200, 1e300, 1e-300}) {
    Parameter weight(tensor({3 * size, 4 * size}, DType::float64));
    Gradients gradients;
    gradients.set(weight.id(), weight.value());
    CHECK(optim::global_norm(gradients) / size == Approx(5));
  }
}

TEST_CASE("clipping by a norm leaves gradients that are not finite as they are", "[optim][clip]") {
  Model model = make_model();
  Gradients gradients = make_gradients(model, 1);
  const auto other = gradients[model.output.kernel].to_vector<double>();
  gradients[model.hidden.bias] = Tensor::from(std::vector<double>{not_a_number, 1, 2});
  CHECK(std::isnan(optim::clip_by_global_norm(gradients, 0.1)));
  CHECK(gradients[model.output.kernel].to_vector<double>() == other);
}

TEST_CASE("an optimiser clips when it is told to", "[optim][clip]") {
  Model clipped = make_model();
  Model scaled = clipped;
  optim::SGD with_clip{{.learning_rate = 1, .clip = {.global_norm = 0.1}}};
  optim::SGD plain{{.learning_rate = 1}};
  Gradients gradients = make_gradients(scaled, 1);
  optim::clip_by_global_norm(gradients, 0.1);
  with_clip.update(clipped, make_gradients(clipped, 1));
  plain.update(scaled, gradients);
  CHECK(weights(clipped) == weights(scaled));
}

TEST_CASE("clipping rejects bounds that are not above 0, and two ways at once", "[optim][clip][error]") {
  Gradients gradients;
  CHECK_THROWS_WITH(optim::clip_by_value(gradients, 0),
                    "clip_by_value: a bound of 0; expected a finite number above 0");
  CHECK_THROWS_AS(optim::clip_by_norm(gradients, -1), ValueError);
  CHECK_THROWS_AS(optim::clip_by_global_norm(gradients, not_a_number), ValueError);
  CHECK_THROWS_WITH(optim::SGD({.clip = {.value = 1, .norm = 1}}),
                    "clip: set one of value, norm and global_norm, not several");
  CHECK_THROWS_AS(optim::SGD({.clip = {.norm = -1}}), ValueError);
}

TEST_CASE("only() takes the gradients of one model out of those of several", "[optim][clip]") {
  Model first = make_model(), second = make_model();
  Gradients both = make_gradients(first, 1);
  both += make_gradients(second, 2);
  const Gradients one = optim::only(second, both);
  CHECK(both.size() == 8);
  CHECK(one.size() == 4);
  CHECK(one.contains(second.hidden.bias));
  CHECK_FALSE(one.contains(first.hidden.bias));
}
