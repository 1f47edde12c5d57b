#include "rill/data/adding.h"

#include <rapidcheck.h>

#include <cmath>
#include <vector>

#include "rill/autograd/ops.h"
#include "rill/nn/loss.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

namespace {

using namespace rill;

data::Batch all(const data::AddingOptions& options) {
  return data::adding_problem(options).rows(0, options.examples);
}

data::AddingOptions any_options() {
  return {.length = *rc::gen::inRange<std::int64_t>(2, 40),
          .examples = *rc::gen::inRange<std::int64_t>(1, 20),
          .seed = *rc::gen::arbitrary<std::uint64_t>()};
}

}  // namespace

TEST_CASE("an adding problem is float32 sequences of pairs with one sum each", "[data][tasks]") {
  const auto [features, targets] = all({.length = 30, .examples = 4});
  CHECK(features.shape() == Shape{4, 30, 2});
  CHECK(features.dtype() == DType::float32);
  CHECK(targets.shape() == Shape{4, 1});
  CHECK(targets.dtype() == DType::float32);
}

TEST_CASE("the target is the sum of the numbers that are marked, one in each half", "[data][tasks]") {
  CHECK(rc::check([] {
    const data::AddingOptions options = any_options();
    const auto [features, targets] = all(options);
    const float* step = features.span<float>().data();
    for (const float target : targets.span<float>()) {
      float sum = 0;
      std::vector<std::int64_t> marked;
      for (std::int64_t t = 0; t < options.length; ++t, step += 2) {
        RC_ASSERT(step[0] >= 0.0F);
        RC_ASSERT(step[0] < 1.0F);
        RC_ASSERT(step[1] == 0.0F || step[1] == 1.0F);
        if (step[1] == 0.0F) continue;
        marked.push_back(t);
        sum += step[0];
      }
      RC_ASSERT(marked.size() == 2u);
      RC_ASSERT(marked[0] < options.length / 2);
      RC_ASSERT(marked[1] >= options.length / 2);
      RC_ASSERT(target == sum);
    }
  }));
}

TEST_CASE("every step of its half is marked as often as the others", "[data][tasks]") {
  constexpr std::int64_t length = 11, examples = 20'000;
  const auto [features, targets] = all({.length = length, .examples = examples, .seed = 1});
  const auto share = mean(slice(features, 2, {1, 2}), {0, 2}).to_vector<float>();
  for (std::size_t t = 0; t < length; ++t) {
    const double expected = t < 5 ? 1.0 / 5 : 1.0 / 6;
    CHECK(std::abs(share[t] - expected) < 5 * std::sqrt(expected * (1 - expected) / examples));
  }
}

TEST_CASE("the same seed gives the same adding problem, another seed another", "[data][tasks]") {
  CHECK(rc::check([] {
    data::AddingOptions options = any_options();
    const auto first = all(options).features.to_vector<float>();
    RC_ASSERT(first == all(options).features.to_vector<float>());
    ++options.seed;
    RC_ASSERT(first != all(options).features.to_vector<float>());
  }));
}

TEST_CASE("a larger adding problem begins with the smaller one", "[data][tasks]") {
  const auto small = all({.length = 9, .examples = 3, .seed = 4});
  const auto large = data::adding_problem({.length = 9, .examples = 8, .seed = 4}).rows(0, 3);
  CHECK(small.features.to_vector<float>() == large.features.to_vector<float>());
  CHECK(small.targets.to_vector<float>() == large.targets.to_vector<float>());
}

TEST_CASE("always predicting 1 scores the adding problem's baseline", "[data][tasks]") {
  constexpr std::int64_t examples = 20'000;
  const Tensor targets = all({.length = 4, .examples = examples, .seed = 2}).targets;
  // The squared error's variance is 1/15 - 1/36.
  const double tolerance = 4 * std::sqrt((1.0 / 15 - 1.0 / 36) / examples);
  CHECK(data::adding_baseline() == 1.0 / 6);
  CHECK(std::abs(nn::mse(ones({examples, 1}), targets).item() - data::adding_baseline()) < tolerance);
}

TEST_CASE("an adding problem refuses sizes out of range, naming them", "[data][tasks][errors]") {
  CHECK_THROWS_AS(data::adding_problem({.length = 1}), ValueError);
  CHECK_THROWS_WITH(data::adding_problem({.length = 1}),
                    "adding_problem: the length is 1; expected one from 2 to 100000000");
  CHECK_THROWS_WITH(data::adding_problem({.examples = 0}),
                    "adding_problem: the number of examples is 0; expected one from 1 to 100000000");
  CHECK_THROWS_AS(data::adding_problem({.examples = std::int64_t{1} << 62}), ValueError);
}
