#include "rill/autograd/fused.h"

#include <cmath>
#include <limits>

#include "rill/autograd/check_finite.h"
#include "rill/autograd/gradcheck.h"
#include "rill/autograd/named.h"
#include "rill/autograd/ops.h"
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

constexpr double infinity = std::numeric_limits<double>::infinity();
const double not_a_number = std::numeric_limits<double>::quiet_NaN();

Tensor numbers(std::initializer_list<double> values) { return tensor(values, DType::float64); }

void check(const Tensor& found, const std::vector<double>& expected) {
  const auto values = found.to_vector<double>();
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i << ": " << values[i] << ", expected " << expected[i]);
    if (std::isnan(expected[i]))
      CHECK(std::isnan(values[i]));
    else
      CHECK((values[i] == expected[i] || std::abs(values[i] - expected[i]) < 1e-12));
  }
}

// The derivatives of the elements of f(x), each of its own element of x, in all ways to ask for them: with an
// outer tape and without, from the third reading under a check that values are finite, forwards, and the
// second and third derivative.
template <class F>
void check_derivatives(F f, const Tensor& at, const std::vector<double>& first,
                       const std::vector<double>& second, const std::vector<double>& third) {
  const Function whole = [f](const Tensor& x) { return sum(fused(f, x)); };
  check(grad(whole)(at), first);
  {
    Tape outer;
    check(grad(whole)(outer.watch(at)), first);
  }
  {
    Tape tape;
    tape.check_finite();
    const Tensor x = tape.watch(at);
    check(tape.gradient(sum(fused(f, x)), x), first);
  }
  check(jvp([f](const Tensor& x) { return fused(f, x); }, at, ones_like(at)), first);
  check(hvp(whole, at, ones_like(at)), second);
  check(sum(hessian(whole, at), 0), second);
  const Function second_of = [&](const Tensor& x) { return sum(hvp(whole, x, ones_like(x))); };
  check(grad(second_of)(at), third);
}

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

TEST_CASE("the branch that where does not take adds no NaN to a derivative of any order",
          "[autograd][fused]") {
  check_derivatives([](auto v) { return where(v > 0, sqrt(v), v); }, numbers({0, 4}), {1, 0.25},
                    {0, -1.0 / 32}, {0, 3.0 / 256});
  check_derivatives([](auto v) { return where(v > 0, log(v), v); }, numbers({0, 2}), {1, 0.5}, {0, -0.25},
                    {0, 0.25});
  check_derivatives([](auto v) { return where(v == 0, 3, 1 / v); }, numbers({0, 2}), {0, -0.25}, {0, 0.25},
                    {0, -0.375});
  // A branch within a branch, what is computed before both, and a condition that is itself singular.
  check_derivatives(
      [](auto v) {
        auto y = v - 1;
        return where(y > 0, where(y > 1, log(y - 1), sqrt(y)), where(1 / y < -1, y * y, -y));
      },
      numbers({0.5, 1, 2, 3}), {-1, -1, 0.5, 1}, {2, 0, -0.25, -1}, {0, 0, 0.375, 2});
  // What is not taken is not finite itself.
  check_derivatives([](auto v) { return where(v < 9, v * v, 1); }, numbers({infinity, 3}), {0, 6}, {0, 2},
                    {0, 0});
}

TEST_CASE("the argument that maximum, minimum, relu or clamp does not give adds no NaN",
          "[autograd][fused]") {
  check_derivatives([](auto v) { return maximum(log(v), -5); }, numbers({0, 2}), {0, 0.5}, {0, -0.25},
                    {0, 0.25});
  check_derivatives([](auto v) { return minimum(3, 1 / v); }, numbers({0, 2}), {0, -0.25}, {0, 0.25},
                    {0, -0.375});
  check_derivatives([](auto v) { return relu(log(v)); }, numbers({0, 2}), {0, 0.5}, {0, -0.25}, {0, 0.25});
  check_derivatives([](auto v) { return clamp(log(v), -1, 1); }, numbers({0, 2}), {0, 0.5}, {0, -0.25},
                    {0, 0.25});
}

TEST_CASE("a branch counts for the elements that take it, where the inputs have other shapes",
          "[autograd][fused]") {
  const Tensor x = tensor({{-1, 2, 3}, {4, -5, -6}}, DType::float64);
  const Function loss = [&](const Tensor& b) {
    return sum(fused([](auto v, auto w) { return where(v > 0, v * log(w), 1); }, x, b));
  };
  const Tensor b = numbers({1, 2, 0.5});
  check(grad(loss)(b), {4, 1, 6});
  check(hvp(loss, b, ones_like(b)), {-4, -0.5, -12});
  const Tensor unused = numbers({1, 2, 0});
  const Function none = [&](const Tensor& c) {
    return sum(fused([](auto v, auto w) { return where(v > 9, log(w), v); }, x, c));
  };
  check(grad(none)(unused), {0, 0, 0});
  check(hvp(none, unused, ones_like(unused)), {0, 0, 0});
}

TEST_CASE("a check that values are finite finds what is taken, and what it came from", "[autograd][fused]") {
  const auto operation = [](auto f, const Tensor& at) -> std::string {
    Tape tape;
    const Tensor x = tape.watch(at);
    tape.check_finite();
    try {
      tape.gradient(sum(fused(f, x)), x);
    } catch (const NonFiniteError& error) {
      return error.operation;
    }
    return "";
  };
  const auto f = [](auto v) { return where(v > 0, log(v), sqrt(v)) * 2; };
  CHECK(operation(f, numbers({1, 2})).empty());
  CHECK(operation(f, numbers({1, -2})) == "sqrt");
  CHECK(operation([](auto v) { return where(v >= 0, log(v), sqrt(v)); }, numbers({0})) == "log");
}

TEST_CASE("names within a branch that is not taken are seen with what they would be", "[autograd][fused]") {
  struct Seen final : rill::detail::Observer {
    void see(const char*, const Tensor& value) override { seen.push_back(value); }
    std::vector<Tensor> seen;
  } observer;
  const rill::detail::Observing observing(observer);
  Tape tape;
  const Tensor x = tape.watch(numbers({1, -1}));
  const Tensor y = fused(
      [](auto v) {
        auto unused = named("unused", v * 5);
        static_cast<void>(unused);
        return where(v > 0, named("doubled", v * 2), v);
      },
      x);
  REQUIRE(observer.seen.size() == 2);
  check(observer.seen[0], {5, -5});
  check(observer.seen[1], {2, -2});
  check(tape.gradient(sum(y), observer.seen[1]), {1, 0});
  check(tape.gradient(sum(y), x), {2, 1});
}

TEST_CASE("a lambda of fused holds what it captures by value as long as the tape", "[autograd][fused]") {
  const auto leaky = [](const Tensor& x, double k) {
    const double slope = k;
    return fused([=](auto v) { return where(v > 0, v, v * slope); }, x);
  };
  const auto overwrite = [] {
    volatile double stack[512];
    for (double& place : const_cast<double(&)[512]>(stack)) place = 77;
  };
  Tape tape;
  const Tensor x = tape.watch(numbers({-1, 1}));
  const Tensor y = leaky(x, 0.1);
  overwrite();
  check(tape.gradient(sum(y), x), {0.1, 1});
}

TEST_CASE("a lambda of fused may capture numbers of any type, and arrays and structs of them",
          "[autograd][fused]") {
  struct Line {
    double slope;
    float offset;
    bool doubles;
    long long extra[2];
  };
  const Line line{2, 1, true, {3, 4}};
  const std::int64_t whole = 5;
  const auto inner = [line](auto v) { return (v * line.slope + line.offset) * (line.doubles ? 2 : 1); };
  const Tensor y = fused([inner, whole, line, k = 3U](
                             auto v) { return inner(v) + whole + static_cast<double>(line.extra[1]) + k; },
                         numbers({1, 2}));
  check(y, {18, 22});
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
      "pow", [](auto x) { return pow(x, 2.5) + pow(2, x) + pow(x, x); }, 0.5, 2);
  check(
      "pow of a negative base", [](auto x) { return pow(x, 3) + pow(x, -2); }, -2, -0.5);
  check(
      "sign", [](auto x) { return sign(x) * x; }, -2, 2);
  check(
      "neg", [](auto x) { return neg(x) * x; }, -2, 2);
  check(
      "clamp", [](auto x) { return clamp(x, -0.5, 1) * x; }, -2, 2);
  check(
      "leaky_relu", [](auto x) { return leaky_relu(x) * leaky_relu(x, 0.3); }, -2, 2);
  check(
      "elu", [](auto x) { return elu(x) * elu(x, 0.3); }, -2, 2);
  check(
      "gelu", [](auto x) { return gelu(x); }, -2, 2);
  check(
      "stop_gradient", [](auto x) { return stop_gradient(x) * x; }, -2, 2);
  check(
      "equal", [](auto x) { return where(equal(x, x), x * x, 1) * where(not_equal(x, 1), x, 2); }, -2, 2);
  check(
      "isfinite", [](auto x) { return where(isfinite(x), x * x, 1); }, -2, 2);
  check(
      "+=",
      [](auto x) {
        x += 1;
        auto y = x;
        y *= x;
        y -= 2 * x;
        y /= 3 + x * x;
        return y;
      },
      -2, 2);
  check(
      "maximum", [](auto x) { return maximum(x, 0.3) + minimum(x, -0.2); }, -2, 2);
  check(
      "where", [](auto x) { return where(x > 0, x * x, 2 - x); }, -2, 2);
  check(
      "constants", [](auto x) { return 1 - 2 * x / (3 + x * x) + x / 2; }, -2, 2);
}

TEST_CASE("fused has the derivatives of the operations where those are not smooth", "[autograd][fused]") {
  const auto same = [](const char* name, auto f, std::initializer_list<double> at) {
    CAPTURE(name);
    const Tensor x = numbers(at);
    const Function on_packets = [&](const Tensor& v) { return sum(fused(f, v)); };
    const Function on_tensors = [&](const Tensor& v) { return sum(f(v)); };
    check(fused(f, x), f(x).template to_vector<double>());
    check(grad(on_packets)(x), grad(on_tensors)(x).template to_vector<double>());
    check(hvp(on_packets, x, ones_like(x)), hvp(on_tensors, x, ones_like(x)).template to_vector<double>());
    check(jvp([&](const Tensor& v) { return fused(f, v); }, x, ones_like(x)),
          grad(on_tensors)(x).template to_vector<double>());
  };
  same("abs", [](auto v) { return abs(v); }, {-infinity, 0, infinity});
  same("relu", [](auto v) { return relu(v); }, {-infinity, 0, infinity, not_a_number});
  same("leaky_relu", [](auto v) { return leaky_relu(v); }, {-infinity, 0, infinity});
  same("elu", [](auto v) { return elu(v, 2); }, {-infinity, 0, infinity});
  same("gelu", [](auto v) { return gelu(v); }, {-infinity, -50, 0, 50, infinity});
  same("clamp", [](auto v) { return clamp(v, -1, 1); }, {-infinity, -1, 1, infinity, not_a_number});
  same("maximum", [](auto v) { return maximum(v, 1); }, {-infinity, 1, infinity, not_a_number});
  same("minimum", [](auto v) { return minimum(1, v); }, {-infinity, 1, infinity, not_a_number});
  same("of itself", [](auto v) { return maximum(v, v * v); }, {0, 1, 2, -1});
  same("pow 0", [](auto v) { return pow(v, 0); }, {-2, 0, 2});
  same("pow 1", [](auto v) { return pow(v, 1); }, {-2, 0, 2});
  same("pow 2", [](auto v) { return pow(v, 2); }, {-2, 0, 2});
  same("pow of 0", [](auto v) { return pow(0, v); }, {0, 0.5, 2});
  same("square root", [](auto v) { return sqrt(v); }, {0, 4});
}

TEST_CASE("conditions of fused compare values and numbers, and combine", "[autograd][fused]") {
  const Tensor x = numbers({-1, 0, 1, 2});
  const auto truth = [&](auto f, const std::vector<double>& expected) {
    check(fused([f](auto v) { return where(f(v), 1, 0); }, x), expected);
    Tape tape;
    tape.check_finite();  // the third reading
    check(fused([f](auto v) { return where(f(v), 1, 0) + 0 * v; }, tape.watch(x)), expected);
    check(grad([&](const Tensor& v) {
            return sum(fused([f](auto w) { return where(f(w), w, 0) + where(f(w), 2, 3); }, v));
          })(x),
          expected);
  };
  truth([](auto v) { return v == 1; }, {0, 0, 1, 0});
  truth([](auto v) { return 1 != v; }, {1, 1, 0, 1});
  truth([](auto v) { return v > 0 && v < 2; }, {0, 0, 1, 0});
  truth([](auto v) { return v <= -1 || 2 <= v; }, {1, 0, 0, 1});
  truth([](auto v) { return !(v >= 0.0f); }, {1, 0, 0, 0});
  truth([flag = true](auto v) { return v > 0 && flag; }, {0, 0, 1, 1});
  const bool flag = false;
  check(grad([&](const Tensor& v) {
          return sum(fused([flag](auto w) { return where(flag, w, 3 * w); }, v));
        })(x),
        {3, 3, 3, 3});
}

TEST_CASE("a result of fused may be a number, also among others", "[autograd][fused]") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}}, DType::float64), b = numbers({1, 2, 3});
  CHECK(fused([](auto) { return 2; }, tensor({1, 2})).to_vector<float>() == std::vector<float>{2, 2});
  const auto f = [](auto v, auto w) { return std::tuple{1.5, v * v * w, w}; };
  const Function loss = [&](const Tensor& v) {
    const auto [one, product, bias] = fused(f, v, b);
    return sum(one) + sum(product) + sum(bias * v);
  };
  const auto [one, product, bias] = fused(f, x, b);
  CHECK(one.shape() == x.shape());
  check(one, {1.5, 1.5, 1.5, 1.5, 1.5, 1.5});
  check(product, {1, 8, 27, 16, 50, 108});
  check(bias, {1, 2, 3, 1, 2, 3});
  check(grad(loss)(x), {3, 10, 21, 9, 22, 39});
  check(hvp(loss, x, ones_like(x)), {2, 4, 6, 2, 4, 6});
  // The output that is w alone has its shape only in the result, in derivatives of higher order, too.
  const Function of_bias = [&](const Tensor& w) {
    return sum(std::get<2>(fused(f, x, square(w))) * x) + sum(square(w));
  };
  check(hvp(of_bias, b, ones_like(b)), {12, 16, 20});
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
