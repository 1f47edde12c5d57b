// What the caching allocator counts.

#include <rill/rill.h>

#include <thread>

#include "tests/catch.h"

using namespace rill;

namespace {

struct Model {
  nn::LSTM lstm{3, 16};
  nn::Linear output{16, 4};
  Tensor operator()(const Tensor& x) const { return output(nn::dropout(lstm(x).last, 0.1)); }
  nn::Fields fields() { return {{"lstm", lstm}, {"output", output}}; }
};

// The address sanitizer is to see every use after free, so in its build nothing is kept.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool keeps_memory = false;
#elif defined(__has_feature)
constexpr bool keeps_memory = !__has_feature(address_sanitizer);
#else
constexpr bool keeps_memory = true;
#endif

}  // namespace

TEST_CASE("after the first steps a training step asks the system for no memory", "[tensor][memory]") {
  if (!keeps_memory) return;
  Model model;
  optim::Adam adam;
  const Tensor x = uniform({8, 20, 3}), labels = Tensor::from(std::vector<std::int64_t>(8, 1));
  const auto step = [&] {
    Tape tape;
    const Tensor loss = nn::cross_entropy(model(x), labels);
    adam.update(model, tape.gradient(loss));
  };
  for (int i = 0; i < 3; ++i) step();
  const auto before = memory_statistics();
  for (int i = 0; i < 20; ++i) step();
  CHECK(memory_statistics().system_requests == before.system_requests);
  CHECK(memory_statistics().in_use == before.in_use);
}

TEST_CASE("memory of many small tensors serves whichever thread asks next", "[tensor][memory]") {
  if (!keeps_memory) return;
  std::vector<Tensor> kept;
  const auto fill = [&](double value) {
    for (int i = 0; i < 3000; ++i) kept.push_back(full({5}, value));
  };
  const auto round = [&](double value) {
    kept.clear();
    std::thread(fill, value).join();  // a new thread, which has nothing of its own
    double sum = 0;
    for (const Tensor& x : kept) sum += rill::sum(x).item();
    CHECK(sum == 3000 * 5 * value);
  };
  for (int i = 0; i < 10; ++i) round(i);
  const auto before = memory_statistics().system_requests;
  for (int i = 0; i < 5; ++i) round(i);
  CHECK(memory_statistics().system_requests == before);
}

TEST_CASE("memory statistics count what tensors hold and what is kept for others", "[tensor][memory]") {
  constexpr std::int64_t bytes = std::int64_t{4} << 20;
  const auto before = memory_statistics();
  {
    const Tensor x = zeros({bytes / 4});
    CHECK(memory_statistics().in_use - before.in_use >= bytes);
    CHECK(memory_statistics().peak_in_use >= memory_statistics().in_use);
  }
  CHECK(memory_statistics().in_use == before.in_use);
  if (!keeps_memory) return;
  CHECK(memory_statistics().cached >= bytes);
  release_cached_memory();
  CHECK(memory_statistics().cached < bytes);
}
