#include "rill/autograd/transforms.h"

#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor random(const Shape& shape) { return uniform(shape, -1, 1, DType::float64); }

double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return a.count() == 0 ? 0 : max(abs(a - b)).item();
}

}  // namespace

TEST_CASE("grad nests to any order", "[autograd][transforms]") {
  Function f = [](const Tensor& x) { return x * x * x * x * x; };
  const Tensor x = full({}, 1.5, DType::float64);
  double factor = 1;
  for (int order = 0; order <= 5; ++order) {
    CHECK(f(x).item() == Approx(factor * std::pow(1.5, 5 - order)));
    factor *= 5 - order;
    f = grad(f);
  }
  CHECK(f(x).item() == 0);
}

TEST_CASE("u . (J v) equals v . (J^T u)", "[autograd][transforms]") {
  const Tensor w = random({6, 4});
  const Function f = [&](const Tensor& x) { return tanh(matmul(sin(x), w)) * 3; };
  for (int trial = 0; trial < 10; ++trial) {
    const Tensor x = random({5, 6}), u = random({5, 4}), v = random({5, 6});
    const double forward = sum(u * jvp(f, x, v)).item();
    const double backward = sum(v * vjp(f, x, u).gradient).item();
    CHECK(forward == Approx(backward).epsilon(1e-12));
  }
}

TEST_CASE("the Jacobian has the shape of the result followed by that of the argument",
          "[autograd][transforms]") {
  const Tensor w = random({3, 4});
  const Tensor j = jacobian([&](const Tensor& x) { return matmul(x, w); }, random({2, 3}));
  REQUIRE(j.shape() == Shape{2, 4, 2, 3});
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t k = 0; k < 2; ++k)
      CHECK(difference(slice(j, {i, {}, k, {}}),
                       i == k ? transpose(w, 0, 1) : zeros({4, 3}, DType::float64)) == 0);
  CHECK(jacobian([](const Tensor& x) { return x; }, zeros({0}, DType::float64)).shape() == Shape{0, 0});
}

TEST_CASE("the Hessian of a quadratic form is its matrix", "[autograd][transforms]") {
  const Tensor a = random({5, 5});
  const Tensor symmetric = (a + transpose(a, 0, 1)) / 2;
  const Function f = [&](const Tensor& x) { return matmul(x, matmul(symmetric, x)) / 2; };
  const Tensor x = random({5}), v = random({5});
  CHECK(difference(hessian(f, x), symmetric) < 1e-14);
  CHECK(difference(hvp(f, x, v), matmul(symmetric, v)) < 1e-14);
}

TEST_CASE("hvp equals a difference of gradients", "[autograd][transforms]") {
  const Function f = [](const Tensor& x) { return sum(exp(sin(x)) * x); };
  const Tensor x = random({7}), v = random({7});
  const double e = 1e-5;
  CHECK(difference(hvp(f, x, v), (grad(f)(x + e * v) - grad(f)(x - e * v)) / (2 * e)) < 1e-8);
}

TEST_CASE("derivatives of what does not depend on the argument are zeros", "[autograd][transforms]") {
  const Tensor x = random({3});
  const Function constant = [](const Tensor&) { return full({}, 2, DType::float64); };
  CHECK(difference(grad(constant)(x), zeros({3}, DType::float64)) == 0);
  CHECK(difference(hessian([](const Tensor& v) { return sum(v); }, x), zeros({3, 3}, DType::float64)) == 0);
}

TEST_CASE("gradients of single examples add up to that of the batch", "[autograd][transforms]") {
  Parameter w(random({4, 1}));
  const Tensor x = random({6, 4});
  const auto loss = [&](const Tensor& rows) { return sum(square(matmul(rows, w))); };
  const auto single = per_example_gradients([&](std::int64_t i) { return loss(slice(x, 0, {i, i + 1})); }, 6);
  Tensor total = zeros({4, 1}, DType::float64);
  for (const auto& g : single) total = total + g[w];
  Tape tape;
  CHECK(difference(total, tape.gradient(loss(x))[w]) < 1e-13);
}

TEST_CASE("jvp does not record its last sweep unless a tape around it does", "[autograd][transforms]") {
  std::vector<bool> recorded;
  const auto twice = [&](const Tensor& g) {
    return record("twice", stop_gradient(g) * 2, wrt(g, [&](const Tensor& h) {
                    recorded.push_back(is_recording());
                    return h * 2;
                  }));
  };
  const Function f = [&](const Tensor& x) {
    return record("f", stop_gradient(x) * 2, wrt(x, [&](const Tensor& g) { return twice(g); }));
  };
  const Tensor x = random({3});
  CHECK(difference(jvp(f, x, x), 2 * x) == 0);
  CHECK(recorded == std::vector{false});
  Tape tape;
  const Tensor tangent = tape.watch(x);
  const Tensor y = jvp(f, x, tangent);
  CHECK(recorded == std::vector{false, true});
  CHECK(difference(tape.gradient(sum(y), tangent), 2 * ones({3}, DType::float64)) == 0);
}
