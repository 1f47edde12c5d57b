// matmul_add and layer_norm_add write over an addend that is given away, where nobody could see the
// difference.

#include <utility>

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/nn/lstm.h"
#include "rill/tensor/create.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor some(const Shape& shape, std::uint64_t seed = 1, DType dtype = DType::float64) {
  return Generator(seed).uniform(shape, -1, 1, dtype);
}

const void* place_of(const Tensor& x) {
  return detail::TensorAccess::data<std::byte>(x) + 8 * detail::TensorAccess::body(x).offset;
}

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

const Tensor a = some({2, 3}, 1), b = some({3, 4}, 2);

}  // namespace

TEST_CASE("matmul_add writes over a matrix that is given away", "[autograd][matmul]") {
  for (DType dtype : {DType::float32, DType::float64})
    for (std::int64_t k : {0, 3, 70}) {
      const Tensor x = some({32, k}, 1, dtype), y = some({k, 130}, 2, dtype);
      Tensor c = some({32, 130}, 3, dtype);
      const Tensor expected = matmul_add(x, y, c);
      const auto* storage = detail::TensorAccess::body(c).storage;
      const Tensor sum = matmul_add(x, y, std::move(c));
      CHECK(detail::TensorAccess::body(sum).storage == storage);
      CHECK(max(abs(sum - expected)).item() < (dtype == DType::float32 ? 1e-5 : 1e-14));
    }
}

TEST_CASE("steps of a sequence that was given away are written over one by one", "[autograd][matmul]") {
  std::vector<Tensor> steps = unbind(some({5, 2, 4}, 3));
  const auto before = values(stack(steps));
  const Tensor expected = matmul_add(a, b, steps[1]);
  steps = unbind(kernels::copy(stack(steps)));
  const void* place = place_of(steps[1]);
  const Tensor sum = matmul_add(a, b, std::move(steps[1]));
  CHECK(place_of(sum) == place);
  CHECK(max(abs(sum - expected)).item() < 1e-15);
  for (std::size_t t : {0, 2, 3, 4})
    CHECK(values(steps[t]) == std::vector<double>(before.begin() + static_cast<std::ptrdiff_t>(8 * t),
                                                  before.begin() + static_cast<std::ptrdiff_t>(8 * t + 8)));
}

TEST_CASE("what anybody still holds is not written over", "[autograd][matmul]") {
  const Tensor original = some({2, 4}, 3);
  const auto unchanged = values(original);
  const auto given_away = [&](Tensor c) { return matmul_add(a, b, std::move(c)); };
  const auto expected = values(matmul_add(a, b, original));

  SECTION("the tensor itself") {
    CHECK(values(given_away(original)) == expected);
    CHECK(values(original) == unchanged);
  }
  SECTION("a view of it") {
    Tensor c = kernels::copy(original);
    const Tensor row = select(c, 0, 1);
    CHECK(values(given_away(std::move(c))) == expected);
    CHECK(values(row) == std::vector<double>(unchanged.begin() + 4, unchanged.end()));
  }
  SECTION("the whole of which it is a step") {
    const Tensor whole = stack({original, original});
    CHECK(values(given_away(std::move(unbind(whole)[0]))) == expected);
    CHECK(values(select(whole, 0, 0)) == unchanged);
  }
  SECTION("a view of a step of a whole that was given away") {
    std::vector<Tensor> steps = unbind(stack({original, original}));
    const Tensor row = select(steps[0], 0, 1);
    CHECK(values(given_away(std::move(steps[0]))) == expected);
    CHECK(values(row) == std::vector<double>(unchanged.begin() + 4, unchanged.end()));
  }
  SECTION("an expanded step, whose rows are one") {
    std::vector<Tensor> steps = unbind(expand(kernels::copy(select(original, 0, 0)), {2, 2, 4}));
    const Tensor other = steps[1];
    given_away(std::move(steps[0]));
    CHECK(values(select(other, 0, 1)) == std::vector<double>(unchanged.begin(), unchanged.begin() + 4));
  }
  SECTION("a span to write to it") {
    Tensor c = kernels::copy(original);
    const auto span = c.mutable_span<double>();
    const Tensor sum = given_away(std::move(c));
    CHECK(values(sum) == expected);
  }
  SECTION("what a rule needs on the tape") {
    const Tensor x = some({2, 4}, 5);
    Tape tape;
    const Tensor tracked = tape.watch(x);
    const Tensor sum = given_away(tanh(tracked));  // the rule of tanh reads its output
    const Tensor slope = tape.gradient(rill::sum(sum), tracked);
    const Tensor y = tanh(x);
    CHECK(max(abs(slope - (1 - y * y))).item() < 1e-15);
  }
}

TEST_CASE("layer_norm_add writes over what is given away, and nothing else", "[autograd][layer_norm]") {
  const Tensor x = some({5, 19}, 1), gain = some({19}, 2), bias = some({19}, 3), original = some({5, 19}, 4);
  const auto expected = values(original + layer_norm(x, gain, bias));
  CHECK(values(layer_norm_add(x, gain, bias, original)) == expected);
  Tensor c = kernels::copy(original);
  const void* place = place_of(c);
  const Tensor sum = layer_norm_add(x, gain, bias, std::move(c));
  CHECK(place_of(sum) == place);
  CHECK(values(sum) == expected);
}

TEST_CASE("gradients of a recurrence that writes over its steps", "[autograd][matmul][layer_norm]") {
  const auto first_step = [] { return zeros({2, 3}, DType::float64); };
  const auto by_matmul = [&](const std::vector<Tensor>& x) {
    Tensor h = first_step();
    for (Tensor& step : unbind(x[0] * x[0])) h = tanh(matmul_add(h, x[1], std::move(step)));
    return sum(square(h));
  };
  const auto by_layer_norm = [&](const std::vector<Tensor>& x) {
    Tensor h = first_step();
    const Tensor gain = select(x[1], 0, 0), bias = select(x[1], 0, 1);
    for (Tensor& step : unbind(x[0] * x[0]))
      h = tanh(layer_norm_add(matmul(h, x[1]), gain, bias, std::move(step), 0.1));
    return sum(square(h));
  };
  for (const DifferentiableFunction& loss :
       {DifferentiableFunction(by_matmul), DifferentiableFunction(by_layer_norm)}) {
    const auto first = gradcheck(loss, {some({4, 2, 3}), some({3, 3}, 2)});
    INFO(first.message);
    CHECK(first.passed);
    const auto second = gradgradcheck(loss, {some({4, 2, 3}), some({3, 3}, 2)});
    INFO(second.message);
    CHECK(second.passed);
  }
}

TEST_CASE("a sequence that two layers read is the same for both", "[autograd][matmul]") {
  const Tensor x = some({3, 5, 4}, 1, DType::float32);
  seed(3);
  const nn::LSTM layer(4, 6);
  const auto once = layer(x).outputs.to_vector<float>();
  CHECK(layer(x).outputs.to_vector<float>() == once);
  Tape tape;
  CHECK(layer(x).outputs.to_vector<float>() == once);
}
