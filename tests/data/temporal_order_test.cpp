#include "rill/data/temporal_order.h"

#include <rapidcheck.h>

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "rill/autograd/ops.h"
#include "rill/nn/loss.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

namespace {

using namespace rill;
using Symbols = std::vector<std::int64_t>;

constexpr std::int64_t start = 0, trigger = 1, x = 6, y = 7;

data::Batch all(const data::TemporalOrderOptions& options) {
  return data::temporal_order(options).rows(0, options.examples);
}

data::TemporalOrderOptions any_options() {
  return {.relevant = *rc::gen::inRange<std::int64_t>(2, 4),
          .length = *rc::gen::inRange<std::int64_t>(10, 120),
          .examples = *rc::gen::inRange<std::int64_t>(1, 10),
          .seed = *rc::gen::arbitrary<std::uint64_t>()};
}

}  // namespace

TEST_CASE("a temporal order problem is one-hot sequences with one class each", "[data][tasks]") {
  const auto [features, targets] = all({.length = 30, .examples = 4});
  CHECK(features.shape() == Shape{4, 30, 8});
  CHECK(features.dtype() == DType::float32);
  CHECK(targets.shape() == Shape{4});
  CHECK(targets.dtype() == DType::int64);
  CHECK(data::temporal_order_symbols == 8);
}

TEST_CASE("the class is the order of X and Y, each within its range, among distractors", "[data][tasks]") {
  CHECK(rc::check([] {
    const data::TemporalOrderOptions options = any_options();
    const auto [features, targets] = all(options);
    RC_ASSERT(sum(features).item() == static_cast<double>(options.examples * options.length));
    const Symbols symbols = argmax(features, 2).to_vector<std::int64_t>();
    const std::vector<std::pair<double, double>> ranges =
        options.relevant == 2
            ? std::vector<std::pair<double, double>>{{0.10, 0.20}, {0.50, 0.60}}
            : std::vector<std::pair<double, double>>{{0.10, 0.20}, {0.33, 0.43}, {0.66, 0.76}};
    const std::int64_t* symbol = symbols.data();
    for (const std::int64_t target : targets.span<std::int64_t>()) {
      std::int64_t order = 0;
      std::size_t found = 0;
      for (std::int64_t t = 0; t < options.length; ++t, ++symbol) {
        RC_ASSERT((*symbol == start) == (t == 0));
        RC_ASSERT((*symbol == trigger) == (t == options.length - 1));
        if (*symbol < x) continue;
        RC_ASSERT(found < ranges.size());
        const auto length = static_cast<double>(options.length);
        RC_ASSERT(static_cast<double>(t) > ranges[found].first * length - 1);
        RC_ASSERT(static_cast<double>(t) < ranges[found].second * length + 1e-9);
        order = 2 * order + (*symbol == y);
        ++found;
      }
      RC_ASSERT(found == ranges.size());
      RC_ASSERT(target == order);
    }
  }));
}

TEST_CASE("at a length of 100 the ranges are the paper's", "[data][tasks]") {
  const auto places = [](std::int64_t relevant) {
    const auto [features, targets] = all({.relevant = relevant, .examples = 1000, .seed = 1});
    const auto share = sum(slice(features, 2, {x, y + 1}), {0, 2}).to_vector<float>();
    Symbols steps;
    for (std::size_t t = 0; t < share.size(); ++t)
      if (share[t] > 0) steps.push_back(static_cast<std::int64_t>(t));
    return steps;
  };
  const auto steps = [](std::vector<std::int64_t> from) {
    Symbols result;
    for (const std::int64_t first : from)
      for (std::int64_t t = first; t <= first + 10; ++t) result.push_back(t);
    return result;
  };
  CHECK(places(2) == steps({10, 50}));
  CHECK(places(3) == steps({10, 33, 66}));
}

TEST_CASE("distractors and classes come as often as each other", "[data][tasks]") {
  constexpr std::int64_t examples = 5000;
  const auto [features, targets] = all({.relevant = 3, .length = 10, .examples = examples, .seed = 3});
  const auto share = mean(slice(features, 1, {8, 9}), {0, 1}).to_vector<float>();
  for (std::size_t symbol = 2; symbol < 6; ++symbol)
    CHECK(std::abs(share[symbol] - 1.0 / 4) < 5 * std::sqrt(3.0 / 16 / examples));
  const auto classes = mean(one_hot(targets, 8), {0}).to_vector<float>();
  for (const float frequency : classes)
    CHECK(std::abs(frequency - 1.0 / 8) < 5 * std::sqrt(7.0 / 64 / examples));
}

TEST_CASE("the same seed gives the same temporal order problem, another seed another", "[data][tasks]") {
  CHECK(rc::check([] {
    data::TemporalOrderOptions options = any_options();
    options.examples = 10;
    const auto first = all(options).features.to_vector<float>();
    RC_ASSERT(first == all(options).features.to_vector<float>());
    ++options.seed;
    RC_ASSERT(first != all(options).features.to_vector<float>());
  }));
}

TEST_CASE("a larger temporal order problem begins with the smaller one", "[data][tasks]") {
  const auto small = all({.length = 20, .examples = 3, .seed = 4});
  const auto large = data::temporal_order({.length = 20, .examples = 8, .seed = 4}).rows(0, 3);
  CHECK(small.features.to_vector<float>() == large.features.to_vector<float>());
  CHECK(small.targets.to_vector<std::int64_t>() == large.targets.to_vector<std::int64_t>());
}

TEST_CASE("guessing scores the temporal order baseline", "[data][tasks]") {
  constexpr std::int64_t examples = 5000;
  for (const std::int64_t relevant : {2, 3}) {
    const std::int64_t classes = std::int64_t{1} << relevant;
    const auto [cross_entropy, accuracy] = data::temporal_order_baseline(relevant);
    CHECK(cross_entropy == std::log(static_cast<double>(classes)));
    CHECK(accuracy == 1.0 / static_cast<double>(classes));
    const Tensor targets = all({.relevant = relevant, .length = 10, .examples = examples, .seed = 5}).targets;
    CHECK(nn::cross_entropy(zeros({examples, classes}), targets).item() ==
          Approx(cross_entropy).epsilon(1e-6));
    const double right = sum(equal(targets, 1)).item() / examples;
    CHECK(std::abs(right - accuracy) < 5 * std::sqrt(accuracy * (1 - accuracy) / examples));
  }
}

TEST_CASE("a temporal order problem refuses options out of range, naming them", "[data][tasks][errors]") {
  CHECK_THROWS_AS(data::temporal_order({.relevant = 4}), ValueError);
  CHECK_THROWS_WITH(data::temporal_order({.relevant = 4}),
                    "temporal_order: 4 relevant symbols; expected 2 or 3");
  CHECK_THROWS_WITH(data::temporal_order({.length = 9}),
                    "temporal_order: the length is 9; expected one from 10 to 100000000");
  CHECK_THROWS_WITH(data::temporal_order({.examples = 0}),
                    "temporal_order: the number of examples is 0; expected one from 1 to 100000000");
  CHECK_THROWS_WITH(data::temporal_order_baseline(1),
                    "temporal_order_baseline: 1 relevant symbols; expected 2 or 3");
}
