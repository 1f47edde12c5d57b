// Numbers too small to be normal: what kernels compute of them is zero, wherever it is computed.

#if defined(__SSE__)

#include <rill/rill.h>

#include <limits>

#include "tests/catch.h"

using namespace rill;

namespace {

bool is_zero(const Tensor& x) { return sum(abs(x)).item() == 0; }

}  // namespace

TEST_CASE("Results too small to be normal numbers are zero", "[tensor][subnormals]") {
  for (const auto& [dtype, small] : {std::pair{DType::float32, 1e-20}, std::pair{DType::float64, 1e-160}})
    for (const std::int64_t n : {1, 7, 100'000}) {  // on this thread, and spread over the pool
      const Tensor x = full({n, 1}, small, dtype);
      CHECK_FALSE(is_zero(x));
      CHECK(is_zero(x * x));
      CHECK(is_zero(fused([](auto a) { return a * a; }, x)));
      CHECK(is_zero(matmul(x, full({1, 1}, small, dtype))));
    }
}

TEST_CASE("A gradient that vanishes ends at zero", "[tensor][subnormals]") {
  // And not at the smallest subnormal number, which times 0.75 rounds to itself.
  Tape tape;
  const Tensor x = tape.watch(full({4}, 1));
  Tensor y = x;
  for (int i = 0; i < 1000; ++i) y = y * 0.75;
  CHECK(is_zero(y));
  CHECK(is_zero(tape.gradient(sum(y), x)));
}

TEST_CASE("A moment of an optimiser that fades ends at zero or at a normal number", "[tensor][subnormals]") {
  struct Model {
    Parameter weight{full({3}, 1)};
    nn::Fields fields() { return {{"weight", weight}}; }
  } model;
  optim::Adam adam;
  for (int step = 0; step < 1500; ++step) {
    Gradients gradients;
    gradients.set(model.weight.id(), full({3}, step == 0 ? 1 : 0));
    adam.update(model, gradients);
  }
  const double left = max(abs(adam.state().parameters.at("weight").slots.at("first_moment"))).item();
  // Where no instruction multiplies and adds at once, a tenth of it is flushed before it is taken off.
  CHECK((left == 0 || left >= std::numeric_limits<float>::min()));
}

TEST_CASE("A thread that calls kernels keeps its own arithmetic", "[tensor][subnormals]") {
  const volatile float smallest_normal = std::numeric_limits<float>::min();
  const auto half = [&] { return smallest_normal / 2; };
  REQUIRE(half() > 0);
  const Tensor x = uniform({200'000});
  CHECK(sum(x * x).item() > 0);
  CHECK(half() > 0);
  CHECK_THROWS_AS(x + uniform({3}), ShapeError);
  CHECK(half() > 0);
}

#endif
