#include "rill/tensor/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <thread>

#include "rill/autograd/ops.h"
#include "rill/nn/linear.h"
#include "rill/tensor/philox.h"
#include "rill/tensor/threads.h"
#include "tests/catch.h"

using namespace rill;

TEST_CASE("Philox gives the numbers of its authors' known-answer test", "[tensor][random]") {
  CHECK(philox(0, 0) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
}

TEST_CASE("Philox gives a block the same numbers alone and beside others", "[tensor][random]") {
  constexpr std::uint64_t first = 0xFFFFFFFA;  // counters of more than 32 bits follow
  const auto words = philox_blocks(first, 0x123456789ABCDEF);
  for (std::size_t i = 0; i < philox_group; ++i) {
    const auto alone = philox(first + i, 0x123456789ABCDEF);
    for (std::size_t j = 0; j < 4; ++j) CHECK(words[j][i] == alone[j]);
  }
}

TEST_CASE("random numbers have the moments of their distribution", "[tensor][random]") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    Generator g(1);
    const Tensor u = g.uniform({100000}, -1, 3, dtype);
    CHECK(mean(u).item() == Approx(1).margin(0.02));
    CHECK(variance(u).item() == Approx(16.0 / 12).epsilon(0.02));
    CHECK(min(u).item() >= -1);
    CHECK(max(u).item() < 3);
    const Tensor n = g.normal({100000}, 2, 0.5, dtype);
    CHECK(mean(n).item() == Approx(2).margin(0.01));
    CHECK(variance(n).item() == Approx(0.25).epsilon(0.02));
    CHECK(mean(pow(n - 2, 4)).item() == Approx(3 * 0.0625).epsilon(0.05));
    CHECK(mean(g.bernoulli({100000}, 0.3, dtype)).item() == Approx(0.3).margin(0.01));
    CHECK(sum(g.bernoulli({1000}, 0, dtype)).item() == 0);
    CHECK(sum(g.bernoulli({1000}, 1, dtype)).item() == 1000);
    CHECK(sum(g.bernoulli({1000}, 1, dtype, 1.25)).item() == 1250);
  }
}

TEST_CASE("the same seed gives the same numbers on any number of threads, and a state goes on",
          "[tensor][random]") {
  const int before = threads();
  std::vector<float> one;
  {
    set_threads(1);
    one = Generator(7).normal({100003}).to_vector<float>();
  }
  set_threads(2);
  CHECK((Generator(7).normal({100003}).to_vector<float>() == one));
  set_threads(before);

  Generator g(3);
  g.uniform({10});
  const Generator::State state = g.state();
  const auto next = g.uniform({10}).to_vector<float>();
  Generator again;
  again.set_state(state);
  CHECK(again.uniform({10}).to_vector<float>() == next);
  CHECK(Generator(4).uniform({10}).to_vector<float>() != Generator(5).uniform({10}).to_vector<float>());
}

TEST_CASE("a permutation holds every number once, in another order", "[tensor][random]") {
  Generator g(2);
  auto order = g.permutation(1000).to_vector<std::int64_t>();
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == static_cast<std::int64_t>(i));
  for (int i = 0; i < 100; ++i) {
    const std::int64_t n = g.integer(3);
    CHECK(n >= 0);
    CHECK(n < 3);
  }
}

namespace {

/// What a new thread draws first, after what it is told to do.
std::vector<float> on_a_thread(const std::function<void()>& before = [] {}) {
  std::vector<float> drawn;
  std::thread([&] {
    before();
    drawn = uniform({4}).to_vector<float>();
  }).join();
  return drawn;
}

}  // namespace

TEST_CASE("threads draw from streams of their own, which follow from the seed", "[tensor][random]") {
  seed(42);
  std::vector<std::vector<float>> first, again;
  for (int i = 0; i < 3; ++i) first.push_back(on_a_thread());
  const auto own = uniform({4}).to_vector<float>();
  CHECK(own == Generator(42).uniform({4}).to_vector<float>());  // whatever others drew
  first.push_back(own);
  for (std::size_t i = 0; i < first.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(first[i] != first[j]);

  seed(42);
  for (int i = 0; i < 3; ++i) again.push_back(on_a_thread());
  again.push_back(uniform({4}).to_vector<float>());
  CHECK(first == again);

  seed(43);
  CHECK(on_a_thread() != first[0]);
  // A thread that seeds its own generator has the stream of that seed.
  CHECK(on_a_thread([] { seed(7); }) == Generator(7).uniform({4}).to_vector<float>());
}

TEST_CASE("threads that make layers at the same time make different ones", "[tensor][random]") {
  seed(42);
  std::array<double, 3> weights;
  std::vector<std::thread> all;
  for (double& weight : weights)
    all.emplace_back([&weight] { weight = nn::Linear(1, 1).kernel.value().item(); });
  for (auto& thread : all) thread.join();
  std::sort(weights.begin(), weights.end());
  CHECK(std::adjacent_find(weights.begin(), weights.end()) == weights.end());
}
