#include "rill/data/copy_memory.h"

#include <rapidcheck.h>

#include <cmath>
#include <vector>

#include "rill/autograd/ops.h"
#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/nn/lstm.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

namespace {

using namespace rill;
using Symbols = std::vector<std::int64_t>;

data::Batch all(const data::CopyMemoryOptions& options) {
  return data::copy_memory(options).rows(0, options.examples);
}

data::CopyMemoryOptions any_options() {
  return {.delay = *rc::gen::inRange<std::int64_t>(1, 40),
          .examples = *rc::gen::inRange<std::int64_t>(1, 20),
          .seed = *rc::gen::arbitrary<std::uint64_t>()};
}

}  // namespace

TEST_CASE("a copying problem is one-hot sequences with a class for every step", "[data][tasks]") {
  const auto [features, targets] = all({.delay = 5, .examples = 4});
  CHECK(features.shape() == Shape{4, 25, 10});
  CHECK(features.dtype() == DType::float32);
  CHECK(targets.shape() == Shape{4, 25});
  CHECK(targets.dtype() == DType::int64);
  CHECK(data::copy_memory_symbols == 10);
  CHECK(data::copy_memory_classes == 9);
}

TEST_CASE("ten symbols come first, and are asked for after the delimiter", "[data][tasks]") {
  CHECK(rc::check([] {
    const data::CopyMemoryOptions options = any_options();
    const auto [features, targets] = all(options);
    RC_ASSERT(sum(features).item() == static_cast<double>(options.examples * (options.delay + 20)));
    const Symbols seen = argmax(features, 2).to_vector<std::int64_t>();
    const Symbols asked = targets.to_vector<std::int64_t>();
    const std::int64_t length = options.delay + 20;
    for (std::int64_t i = 0; i < options.examples; ++i) {
      const std::int64_t* in = seen.data() + i * length;
      const std::int64_t* out = asked.data() + i * length;
      for (std::int64_t t = 0; t < length; ++t) {
        if (t < 10)
          RC_ASSERT(in[t] < 8);
        else
          RC_ASSERT(in[t] == (t == options.delay + 9 ? 9 : 8));
        RC_ASSERT(out[t] == (t < options.delay + 10 ? 8 : in[t - options.delay - 10]));
      }
    }
  }));
}

TEST_CASE("each of the eight symbols is drawn as often as the others", "[data][tasks]") {
  constexpr std::int64_t examples = 2000;
  const auto [features, targets] = all({.delay = 1, .examples = examples, .seed = 1});
  const auto share = mean(slice(features, 1, {0, 10}), {0, 1}).to_vector<float>();
  for (std::size_t symbol = 0; symbol < 8; ++symbol)
    CHECK(std::abs(share[symbol] - 1.0 / 8) < 5 * std::sqrt(7.0 / 64 / (10 * examples)));
}

TEST_CASE("the same seed gives the same copying problem, another seed another", "[data][tasks]") {
  CHECK(rc::check([] {
    data::CopyMemoryOptions options = any_options();
    const auto first = all(options).features.to_vector<float>();
    RC_ASSERT(first == all(options).features.to_vector<float>());
    ++options.seed;
    RC_ASSERT(first != all(options).features.to_vector<float>());
  }));
}

TEST_CASE("a larger copying problem begins with the smaller one", "[data][tasks]") {
  const auto small = all({.delay = 3, .examples = 3, .seed = 4});
  const auto large = data::copy_memory({.delay = 3, .examples = 8, .seed = 4}).rows(0, 3);
  CHECK(small.features.to_vector<float>() == large.features.to_vector<float>());
  CHECK(small.targets.to_vector<std::int64_t>() == large.targets.to_vector<std::int64_t>());
}

TEST_CASE("knowing the blanks and guessing the symbols scores the copying baseline", "[data][tasks]") {
  constexpr std::int64_t delay = 7, examples = 50;
  const Tensor targets = all({.delay = delay, .examples = examples}).targets;
  const Tensor blank = one_hot(full({examples, delay + 10}, 8, DType::int64), 9) * 100;
  const Tensor guess = (1 - one_hot(full({examples, 10}, 8, DType::int64), 9)) * 100;
  const Tensor loss = nn::cross_entropy(concat({blank, guess}, 1), targets);
  CHECK(data::copy_memory_baseline(delay) == Approx(10 * std::log(8.0) / 27).epsilon(1e-15));
  CHECK(loss.item() == Approx(data::copy_memory_baseline(delay)).epsilon(1e-6));
}

TEST_CASE("a recurrent layer's outputs are scored at every step", "[data][tasks]") {
  const auto [features, targets] = all({.delay = 5, .examples = 4});
  const nn::LSTM lstm(data::copy_memory_symbols, 6);
  const nn::Linear output(6, data::copy_memory_classes);
  const Tensor logits = output(lstm(features).outputs);
  CHECK(logits.shape() == Shape{4, 25, 9});
  CHECK(nn::cross_entropy(logits, targets).item() == Approx(std::log(9.0)).epsilon(0.3));
}

TEST_CASE("a copying problem refuses sizes out of range, naming them", "[data][tasks][errors]") {
  CHECK_THROWS_AS(data::copy_memory({.delay = 0}), ValueError);
  CHECK_THROWS_WITH(data::copy_memory({.delay = 0}),
                    "copy_memory: the delay is 0; expected one from 1 to 100000000");
  CHECK_THROWS_WITH(data::copy_memory({.examples = -1}),
                    "copy_memory: the number of examples is -1; expected one from 1 to 100000000");
  CHECK_THROWS_WITH(data::copy_memory_baseline(-20),
                    "copy_memory_baseline: the delay is -20; expected one from 1 to 100000000");
}
