#include "rill/autograd/fused.h"

#include <cmath>
#include <limits>

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/transforms.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "rill/tensor/threads.h"
#include "tests/catch.h"

using namespace rill;

namespace {

const auto cell = [](auto i, auto f, auto g, auto o, auto c) {
  auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(next), next};
};

Tensor random(const Shape& shape) { return uniform(shape, -2, 2, DType::float64); }

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  if (a.count() == 0) return 0;
  return max(abs(a - b)).item();
}

}  // namespace

TEST_CASE("fused computes what its lambda computes on tensors", "[autograd][fused]") {
  for (const Shape& shape :
       {Shape{}, Shape{1}, Shape{7}, Shape{3, 5}, Shape{2, 3, 33}, Shape{0, 4}, Shape{130, 70}}) {
    std::vector<Tensor> x;
    for (int k = 0; k < 5; ++k) x.push_back(random(shape));
    const auto [h, c] = fused(cell, x[0], x[1], x[2], x[3], x[4]);
    const auto [h2, c2] = cell(x[0], x[1], x[2], x[3], x[4]);
    CAPTURE(to_string(shape));
    CHECK(largest_difference(h, h2) < 1e-15);
    CHECK(largest_difference(c, c2) < 1e-15);
  }
}

TEST_CASE("fused reads strided and broadcast inputs", "[autograd][fused]") {
  const Tensor gates = random({6, 20});
  const Tensor state = transpose(random({5, 6}), 0, 1);
  const auto [h, c] = fused(cell, split<4>(gates), state);
  const auto parts = split<4>(gates);
  const auto [h2, c2] = cell(contiguous(parts[0]), contiguous(parts[1]), contiguous(parts[2]),
                             contiguous(parts[3]), contiguous(state));
  CHECK(largest_difference(h, h2) < 1e-15);
  CHECK(largest_difference(c, c2) < 1e-15);

  const Tensor bias = random({20}), mask = random({6, 1});
  const Tensor y =
      fused([](auto a, auto b, auto m, auto s) { return (a + b) * m - s; }, gates, bias, mask, 0.5);
  CHECK(largest_difference(y, (gates + bias) * mask - 0.5) < 1e-15);
}

TEST_CASE("a fused result keeps the memory order of its inputs", "[autograd][fused]") {
  const Tensor batch_first = permute(random({4, 3, 8}), {1, 0, 2});
  const Tensor y = fused([](auto a) { return 2 * a; }, batch_first);
  CHECK(y.strides() == batch_first.strides());
}

TEST_CASE("the gradient of fused matches central differences, first and second order", "[autograd][fused]") {
  const auto on = [](auto f) {
    return [f](const std::vector<Tensor>& x) {
      const auto [h, c] = fused(f, x[0], x[1], x[2], x[3], x[4]);
      return concat({reshape(h, {-1}), reshape(c, {-1})});
    };
  };
  seed(3);
  const std::vector<Tensor> same = {random({3, 5}), random({3, 5}), random({3, 5}), random({3, 5}),
                                    random({3, 5})};
  const std::vector<Tensor> broadcast = {random({3, 5}), random({5}), random({3, 1}), random({}),
                                         random({1, 5})};
  const std::vector<Tensor> strided = {transpose(random({5, 3}), 0, 1), random({3, 5}),
                                       slice(random({6, 5}), 0, {.step = 2}),
                                       slice(random({3, 9}), 1, {2, 7}), flip(random({3, 5}), {1})};
  for (const auto& inputs : {same, broadcast, strided}) {
    const auto first = gradcheck(on(cell), inputs);
    INFO(first.message);
    CHECK(first);
    const auto second = gradgradcheck(on(cell), inputs);
    INFO(second.message);
    CHECK(second);
  }
}

TEST_CASE("NaN reaches fused gradients, but not through a branch that is not taken", "[autograd][fused]") {
  const Tensor nan = full({1}, std::numeric_limits<double>::quiet_NaN(), DType::float64);
  const auto slope = [&](auto f) {
    return grad(Function([f](const Tensor& x) { return sum(fused(f, x)); }))(nan).item();
  };
  CHECK(std::isnan(slope([](auto x) { return abs(x); })));
  CHECK(std::isnan(slope([](auto x) { return x * x; })));
  CHECK(slope([](auto x) { return where(x > 0, x * x, 2 * x); }) == 2);
}

TEST_CASE("every function of fused has the value and gradient of the operation of that name",
          "[autograd][fused]") {
  seed(5);
  const auto check = [](const char* name, auto f, double low, double high) {
    CAPTURE(name);
    const Tensor x = uniform({37}, low, high, DType::float64);
    const Function on_packets = [&](const Tensor& v) { return sum(fused(f, v)); };
    const Function on_tensors = [&](const Tensor& v) { return sum(f(v)); };
    CHECK(largest_difference(fused(f, x), f(x)) < 1e-14);
    CHECK(largest_difference(grad(on_packets)(x), grad(on_tensors)(x)) < 1e-12);
    CHECK(largest_difference(hvp(on_packets, x, x), hvp(on_tensors, x, x)) < 1e-12);
  };
  check(
      "neg", [](auto x) { return -x; }, -2, 2);
  check(
      "abs", [](auto x) { return abs(x); }, -2, 2);
  check(
      "exp", [](auto x) { return exp(x); }, -2, 2);
  check(
      "expm1", [](auto x) { return expm1(x); }, -2, 2);
  check(
      "log", [](auto x) { return log(x); }, 0.5, 2);
  check(
      "log1p", [](auto x) { return log1p(x); }, -0.5, 2);
  check(
      "sqrt", [](auto x) { return sqrt(x); }, 0.5, 2);
  check(
      "rsqrt", [](auto x) { return rsqrt(x); }, 0.5, 2);
  check(
      "square", [](auto x) { return square(x); }, -2, 2);
  check(
      "reciprocal", [](auto x) { return reciprocal(x); }, 0.5, 2);
  check(
      "sin", [](auto x) { return sin(x); }, -2, 2);
  check(
      "cos", [](auto x) { return cos(x); }, -2, 2);
  check(
      "erf", [](auto x) { return erf(x); }, -2, 2);
  check(
      "tanh", [](auto x) { return tanh(x); }, -2, 2);
  check(
      "sigmoid", [](auto x) { return sigmoid(x); }, -2, 2);
  check(
      "relu", [](auto x) { return relu(x); }, -2, 2);
  check(
      "softplus", [](auto x) { return softplus(x); }, -2, 2);
  check(
      "maximum", [](auto x) { return maximum(x, 0.3) + minimum(x, -0.2); }, -2, 2);
  check(
      "where", [](auto x) { return where(x > 0, x * x, 2 - x); }, -2, 2);
  check(
      "constants", [](auto x) { return 1 - 2 * x / (3 + x * x) + x / 2; }, -2, 2);
}

TEST_CASE("fused takes parameters and gives their gradients", "[autograd][fused]") {
  Parameter weight(random({4}));
  const Tensor x = random({3, 4});
  Tape tape;
  const Tensor loss = sum(fused([](auto a, auto w) { return a * w * w; }, x, weight));
  CHECK(largest_difference(tape.gradient(loss)[weight], sum(2 * x * weight.value(), 0)) < 1e-14);
}

TEST_CASE("an output of fused that the target does not depend on costs nothing of the gradient",
          "[autograd][fused]") {
  Tape tape;
  const Tensor x = tape.watch(random({5}));
  const auto [square_of, cube_of] = fused([](auto v) { return std::tuple{v * v, v * v * v}; }, x);
  CHECK(largest_difference(tape.gradient(sum(cube_of), x), 3 * x * x) < 1e-14);
  CHECK(largest_difference(tape.gradient(sum(square_of), x), 2 * x) < 1e-14);
}

TEST_CASE("gradients of gates that are slices of one product are written in place beside other uses",
          "[autograd][fused]") {
  const Tensor whole = random({3, 8});
  const auto loss = [](const Tensor& z, auto pointwise) {
    const auto gates = split<4>(z);
    const Tensor y = pointwise(gates);
    return sum(y * y) + sum(z * z * z) + sum(square(gates[2]));
  };
  const auto f = [](auto a, auto b, auto c) { return a * b + sin(c); };  // the fourth gate is not used
  const Function in_place = [&](const Tensor& z) {
    return loss(z, [&](const auto& g) { return fused(f, g[0], g[1], g[2]); });
  };
  const Function composed = [&](const Tensor& z) {
    return loss(z, [&](const auto& g) { return f(g[0], g[1], g[2]); });
  };
  CHECK(largest_difference(grad(in_place)(whole), grad(composed)(whole)) < 1e-13);
}

TEST_CASE("fused takes one tensor twice, also where its gradient is recorded", "[autograd][fused]") {
  const Tensor x0 = random({3, 2}), h = random({3, 2});
  const auto f = [](auto a, auto b, auto c) { return tanh(a) * sigmoid(b) + a * c; };
  const Function twice = [&](const Tensor& x) { return sum(square(fused(f, x, x, h))); };
  const Function thrice = [&](const Tensor& x) { return sum(square(fused(f, x, x, x))); };
  const Function composed_twice = [&](const Tensor& x) { return sum(square(f(x, x, h))); };
  const Function composed_thrice = [&](const Tensor& x) { return sum(square(f(x, x, x))); };
  for (const auto& [one, other] : {std::pair(twice, composed_twice), std::pair(thrice, composed_thrice)}) {
    CHECK(largest_difference(grad(one)(x0), grad(other)(x0)) < 1e-13);
    Tape outer;
    const Tensor x = outer.watch(x0);
    CHECK(largest_difference(grad(one)(x), grad(other)(x)) < 1e-13);
    CHECK(largest_difference(hessian(one, x0), hessian(other, x0)) < 1e-12);
  }
}

TEST_CASE("gradients of inputs that repeat are those of the same operations, whatever repeats",
          "[autograd][fused]") {
  const auto f = [](auto x, auto a, auto b, auto c) { return tanh(x * a + b) * c; };
  const auto check = [&](const Tensor& x, const Shape& a, const Shape& b, const Shape& c) {
    CAPTURE(to_string(x.shape()), to_string(a), to_string(b), to_string(c));
    const Tensor weights = random(x.shape());
    Tape tape;
    const std::vector<Tensor> inputs = {tape.watch(x), tape.watch(random(a)), tape.watch(random(b)),
                                        tape.watch(random(c))};
    const auto one = tape.gradient({fused(f, inputs[0], inputs[1], inputs[2], inputs[3]), weights}, inputs);
    const auto other = tape.gradient({f(inputs[0], inputs[1], inputs[2], inputs[3]), weights}, inputs);
    for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(largest_difference(one[i], other[i]) < 1e-11);
  };
  seed(7);
  check(random({300, 40}), {40}, {1, 40}, {300, 1});
  check(random({300, 40}), {40}, {}, {1});
  check(random({1, 40}), {40}, {40}, {1, 1});
  check(random({2, 70, 110}), {110}, {1, 1, 110}, {70, 110});
  check(random({2, 70, 110}), {70, 1}, {2, 1, 110}, {1, 70, 110});
  check(random({5, 5000}), {5000}, {1, 5000}, {5, 1});                        // longer than a part
  check(permute(random({70, 3, 33}), {1, 0, 2}), {33}, {70, 33}, {3, 1, 1});  // time-major
  check(transpose(random({40, 300}), 0, 1), {40}, {300, 1}, {});              // rows lie along the other axis
  check(slice(random({300, 80}), 1, {.step = 2}), {40}, {1, 40}, {300, 40});  // no dense rows
  check(random({0, 40}), {40}, {1, 40}, {});
  check(random({2000, 7}), {7}, {1, 7}, {});
}

TEST_CASE("the gradient of an input that repeats follows its axes, not its memory", "[autograd][fused]") {
  // In the order of x's memory the axes of both are one.
  const Tensor x = permute(random({5, 2, 3}), {0, 2, 1}), weights = permute(random({5, 2, 3}), {0, 2, 1});
  const Tensor b0 = transpose(random({2, 3}), 0, 1);
  Tape tape;
  const Tensor b = tape.watch(b0);
  const Tensor y = fused([](auto p, auto q) { return p * q; }, x, b);
  CHECK(largest_difference(tape.gradient({y, weights}, b), sum(x * weights, 0)) < 1e-14);
}

TEST_CASE("gradients of inputs that repeat have the same bits with any number of threads",
          "[autograd][fused]") {
  const int before = threads();
  const Tensor x = uniform({999, 130}), bias = uniform({130});
  const auto gradient = [&](int count) {
    set_threads(count);
    Tape tape;
    const Tensor b = tape.watch(bias);
    return tape.gradient(sum(fused([](auto a, auto c) { return sigmoid(a + c) * a; }, x, b)), b);
  };
  const auto one = gradient(1).to_vector<float>(), three = gradient(3).to_vector<float>();
  set_threads(before);
  CHECK(one == three);
}

TEST_CASE("fused says what is wrong with its inputs", "[autograd][fused][errors]") {
  const auto sum_of = [](auto a, auto b) { return a + b; };
  CHECK_THROWS_WITH(fused(sum_of, zeros({2, 3}), zeros({4})),
                    ContainsSubstring("fused: shapes [2, 3] and [4]"));
  CHECK_THROWS_WITH(fused(sum_of, zeros({2}), zeros({2}, DType::float64)),
                    ContainsSubstring("the dtypes differ"));
  CHECK_THROWS_WITH(fused(sum_of, zeros({2}, DType::int64), zeros({2}, DType::int64)),
                    ContainsSubstring("int64"));
  CHECK_THROWS_AS(fused(sum_of, zeros({2}), Tensor()), ValueError);
}
