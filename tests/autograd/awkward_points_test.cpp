// Where an operation has no derivative in the ordinary sense, what it gives instead; and values at the edge
// of a dtype.

#include <cmath>
#include <limits>

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/autograd/transforms.h"
#include "rill/tensor/create.h"
#include "tests/catch.h"

using namespace rill;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class F>
std::vector<double> gradient(F f, const Tensor& at) {
  Tape tape;
  const Tensor x = tape.watch(at);
  return tape.gradient(sum(f(x)), x).template to_vector<double>();
}

template <class F>
std::vector<double> second_derivative(F f, const Tensor& at) {
  return hvp([&](const Tensor& x) { return sum(f(x)); }, at, ones_like(at)).template to_vector<double>();
}

Tensor numbers(std::initializer_list<double> values) { return tensor(values, DType::float64); }

void check(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i << ": " << found[i] << ", expected " << expected[i]);
    if (std::isnan(expected[i]))
      CHECK(std::isnan(found[i]));
    else if (std::isinf(expected[i]))
      CHECK(found[i] == expected[i]);
    else
      CHECK(found[i] == Approx(expected[i]).margin(1e-14));
  }
}

}  // namespace

TEST_CASE("relu has gradient 0 at 0, leaky_relu its slope, elu its alpha", "[autograd][ops]") {
  check(gradient([](auto& x) { return relu(x); }, numbers({-1, 0, 1})), {0, 0, 1});
  check(gradient([](auto& x) { return leaky_relu(x, 0.1); }, numbers({-1, 0, 1})), {0.1, 0.1, 1});
  check(gradient([](auto& x) { return elu(x, 0.5); }, numbers({0, 1})), {0.5, 1});
}

TEST_CASE("abs has gradient 0 at 0", "[autograd][ops]") {
  check(gradient([](auto& x) { return abs(x); }, numbers({-2, 0, 3})), {-1, 0, 1});
}

TEST_CASE("clamp passes the gradient inside and on its bounds", "[autograd][ops]") {
  check(gradient([](auto& x) { return clamp(x, -1, 1); }, numbers({-2, -1, 0, 1, 2})), {0, 1, 1, 1, 0});
}

TEST_CASE("sqrt and rsqrt have infinite gradients at 0", "[autograd][ops]") {
  check(gradient([](auto& x) { return sqrt(x); }, numbers({0, 4})), {infinity, 0.25});
  check(gradient([](auto& x) { return rsqrt(x); }, numbers({0, 4})), {-infinity, -1.0 / 16});
}

TEST_CASE("norm has gradient 0 at 0, also twice", "[autograd][ops]") {
  const Tensor x = tensor({{0, 0}, {3, 4}}, DType::float64);
  check(gradient([](auto& t) { return norm(t, 1); }, x), {0, 0, 0.6, 0.8});
  Tape outer;
  const Tensor zero = outer.watch(numbers({0, 0}));
  Tape inner;
  const Tensor g = inner.gradient(norm(zero), zero);
  check(outer.gradient(sum(g), zero).to_vector<double>(), {0, 0});
}

TEST_CASE("standard_deviation has gradient 0 where all elements are equal", "[autograd][ops]") {
  check(gradient([](auto& x) { return standard_deviation(x); }, numbers({2, 2, 2, 2})), {0, 0, 0, 0});
}

TEST_CASE("variance of one element is NaN with Bessel's correction and 0 without", "[autograd][ops]") {
  CHECK(std::isnan(variance(numbers({3})).item()));
  CHECK(std::isnan(variance(numbers({3, 5}), {}, {.correction = 3}).item()));
  CHECK(variance(numbers({3}), {}, {.correction = 0}).item() == 0);
  check(gradient([](auto& x) { return variance(x); }, numbers({3})), {not_a_number});
  check(gradient([](auto& x) { return variance(x, {}, {.correction = 0}); }, numbers({3})), {0});
}

TEST_CASE("equal largest elements share the gradient of max, equal smallest that of min", "[autograd][ops]") {
  check(gradient([](auto& x) { return max(x); }, numbers({1, 3, 3, 2})), {0, 0.5, 0.5, 0});
  check(gradient([](auto& x) { return min(x); }, numbers({1, 3, 1, 1})), {1.0 / 3, 0, 1.0 / 3, 1.0 / 3});
  check(gradient([](auto& x) { return max(x, 1); }, tensor({{2, 2}, {0, 1}}, DType::float64)),
        {0.5, 0.5, 0, 1});
}

TEST_CASE("maximum and minimum of equal numbers give each half", "[autograd][ops]") {
  const Tensor other = numbers({1, 2, 3});
  check(gradient([&](auto& x) { return maximum(x, other); }, numbers({2, 2, 2})), {1, 0.5, 0});
  check(gradient([&](auto& x) { return minimum(other, x); }, numbers({2, 2, 2})), {0, 0.5, 1});
  check(gradient([&](auto& x) { return maximum(x, 2.0); }, numbers({1, 2, 3})), {0, 0.5, 1});
}

TEST_CASE(
    "the operand that maximum, minimum, max or min does not choose gets nothing of an infinite gradient",
    "[autograd][ops]") {
  const auto weighted = [](const Tensor& x) { return x * numbers({infinity, infinity, infinity}); };
  check(gradient([&](auto& x) { return weighted(maximum(x, 2)); }, numbers({1, 2, 3})),
        {0, infinity, infinity});
  check(gradient([&](auto& x) { return weighted(minimum(x, 2)); }, numbers({1, 2, 3})),
        {infinity, infinity, 0});
  check(gradient([](auto& x) { return max(x) * infinity; }, numbers({1, 3, 3, 2})),
        {0, infinity, infinity, 0});
  check(gradient([](auto& x) { return min(x) * infinity; }, numbers({1, 3, 3, 2})), {infinity, 0, 0, 0});
}

TEST_CASE("maximum and minimum of what is not a number, and of infinities, have the gradient of their values",
          "[autograd][ops]") {
  const Tensor x = numbers({-infinity, infinity, not_a_number});
  check(gradient([](auto& v) { return maximum(v, 0); }, x), {0, 1, 0.5});
  check(gradient([](auto& v) { return minimum(v, 0); }, x), {1, 0, 0.5});
  check(gradient([&](auto& v) { return maximum(v, x); }, numbers({-infinity, infinity, 0})), {0.5, 0.5, 0.5});
}

TEST_CASE("where chooses gradients, in every order", "[autograd][ops]") {
  const auto f = [](auto& x) { return where(x > 0, x, 0) + where(x > 0, 0, 3 * x); };
  const Tensor x = numbers({not_a_number, -infinity, 2});
  check(gradient(f, x), {3, 3, 1});
  check(second_derivative([](auto& v) { return where(v > 0, v * v, 3 * v); }, numbers({-1, 0, 2})),
        {0, 0, 2});
}

TEST_CASE("where takes neither value nor gradient from the other side", "[autograd][ops]") {
  const Tensor bad = numbers({not_a_number, infinity});
  CHECK(where(numbers({0, 0}), bad, numbers({1, 2})).to_vector<double>() == std::vector<double>{1, 2});
  check(gradient([&](auto& x) { return where(x > 0, x, bad); }, numbers({1, 2})), {1, 1});
  check(gradient([&](auto& x) { return where(x > 9, bad, x); }, numbers({1, 2})), {1, 1});
  // The argument of log is made harmless by a `where` of its own, as 0 times infinity is not 0.
  check(gradient([](auto& x) { return where(x > 0, log(where(x > 0, x, 1)), 0); }, numbers({-1, 0, 2})),
        {0, 0, 0.5});
}

TEST_CASE("pow at base 0", "[autograd][ops]") {
  const Tensor zero = numbers({0, 0, 0, 0, 0});
  const Tensor exponents = numbers({0, 0.5, 1, 2, 3});
  check(gradient([&](auto& x) { return pow(x, exponents); }, zero), {0, infinity, 1, 0, 0});
  check(gradient([&](auto& x) { return pow(zero, x); }, exponents), {0, 0, 0, 0, 0});
  check(gradient([](auto& x) { return pow(x, 2); }, numbers({-3, 0, 3})), {-6, 0, 6});
  check(gradient([&](auto& x) { return pow(numbers({-2}), x); }, numbers({2})), {not_a_number});
  check(gradient([&](auto& x) { return pow(zero, x); }, numbers({-1, -0.5, 0, 1, 2})), {0, 0, 0, 0, 0});
  check(gradient([](auto& x) { return pow(2, x); }, numbers({0, 1})), {std::log(2.0), 2 * std::log(2.0)});

  Tape outer;
  const Tensor x = outer.watch(numbers({0, -2}));
  Tape inner;
  const Tensor first = inner.gradient(sum(pow(x, 2)), x);
  check(outer.gradient(sum(first), x).to_vector<double>(), {2, 2});
  check(second_derivative([](auto& v) { return pow(v, 0); }, numbers({-2, 0, 2})), {0, 0, 0});
  check(second_derivative([](auto& v) { return pow(v, 1); }, numbers({-2, 0, 2})), {0, 0, 0});
  check(second_derivative([](auto& v) { return pow(v, 3); }, numbers({-2, 0, 2})), {-12, 0, 12});
}

TEST_CASE("prod is exact where elements are 0, twice", "[autograd][ops]") {
  const auto product = [](auto& x) { return prod(x); };
  check(gradient(product, numbers({2, 0, 3, 4})), {0, 24, 0, 0});
  check(gradient(product, numbers({2, 0, 3, 0})), {0, 0, 0, 0});
  check(gradient(product, numbers({5})), {1});
  const auto f = [](const std::vector<Tensor>& x) { return prod(x[0], 0); };
  const Tensor some = tensor({{1, 0, 2}, {0, 0, 3}, {4, 5, 0.5}, {2, 1, -1}, {1, 3, 1}}, DType::float64);
  CHECK(gradgradcheck(f, {some}));
}

TEST_CASE("log_softmax, softmax and logsumexp of large values neither overflow nor lose the small ones",
          "[autograd][ops]") {
  const Tensor x = numbers({1000, 0, -1000});
  check(log_softmax(x).to_vector<double>(), {0, -1000, -2000});
  check(softmax(x).to_vector<double>(), {1, 0, 0});
  CHECK(logsumexp(x).item() == 1000);
  check(gradient([](auto& t) { return slice(log_softmax(t), 0, {1, 2}); }, x), {-1, 1, 0});
  check(gradient([](auto& t) { return logsumexp(t); }, x), {1, 0, 0});
  const Tensor single = tensor({1e4, 1e4, -1e4});
  CHECK(log_softmax(single).to_vector<float>()[0] == Approx(-std::log(2.0)));
  CHECK(log_softmax(single).to_vector<float>()[2] == Approx(-2e4 - std::log(2.0)));
}

TEST_CASE("masked logits of -infinity have probability and gradient 0", "[autograd][ops]") {
  const Tensor x = numbers({1, -infinity, 1});
  check(softmax(x).to_vector<double>(), {0.5, 0, 0.5});
  check(gradient([](auto& t) { return slice(log_softmax(t), 0, {0, 1}); }, x), {0.5, 0, -0.5});
  check(gradient([](auto& t) { return logsumexp(t); }, x), {0.5, 0, 0.5});
}

TEST_CASE("rows that are all masked have probability and gradient 0", "[autograd][ops]") {
  const Tensor x = tensor({{-infinity, -infinity}, {0, 0}}, DType::float64);
  check(softmax(x).to_vector<double>(), {0, 0, 0.5, 0.5});
  check(log_softmax(x).to_vector<double>(), {-infinity, -infinity, -std::log(2.0), -std::log(2.0)});
  check(gradient([&](auto& t) { return softmax(t) * numbers({1, 3}); }, x), {0, 0, -0.5, 0.5});
  check(gradient([&](auto& t) { return slice(log_softmax(t), {1, 0}); }, x), {0, 0, 0.5, -0.5});
}

TEST_CASE("logsumexp of nothing is -infinity with gradient 0, and of infinity infinity", "[autograd][ops]") {
  const Tensor x =
      tensor({{-infinity, -infinity, -infinity}, {0, infinity, infinity}, {0, 0, -infinity}}, DType::float64);
  const auto f = [](const Tensor& t) { return logsumexp(t, 1); };
  check(f(x).to_vector<double>(), {-infinity, infinity, std::log(2.0)});
  check(gradient(f, x), {0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0});
  // Twice: only the last row depends on its elements smoothly.
  Tape outer;
  const Tensor source = outer.watch(x);
  Tape inner;
  const Tensor first = inner.gradient(sum(f(source)), source);
  check(outer.gradient(sum(first * numbers({1, 2, 3})), source).to_vector<double>(),
        {0, 0, 0, 0, 0, 0, -0.25, 0.25, 0});
}

TEST_CASE("logarithms of sums keep their digits near 0", "[autograd][ops]") {
  const Tensor x = tensor({20, 0});
  CHECK(log_softmax(x).to_vector<float>()[0] == Approx(-std::log1p(std::exp(-20.0))).epsilon(1e-6));
  CHECK(log_softmax(x).to_vector<float>()[1] == -20);
  CHECK(logsumexp(x - 20).item() == Approx(std::log1p(std::exp(-20.0))).epsilon(1e-6));
  CHECK(softplus(tensor({-20})).item() == Approx(std::log1p(std::exp(-20.0))).epsilon(1e-6));
  check(gradient(
            [](auto& t) {
              return log_softmax(t) * numbers({1, 0});
            },
            numbers({3, 0})),
        {1 / (1 + std::exp(3.0)), -1 / (1 + std::exp(3.0))});
}

TEST_CASE("expm1 and elu keep the digits of small slopes", "[autograd][ops]") {
  const Tensor x = numbers({-60, 0, 1});
  const auto first = gradient([](auto& t) { return expm1(t); }, x);
  CHECK(first[0] == Approx(std::exp(-60.0)));
  check(first, {0, 1, std::exp(1.0)});
  CHECK(gradient([](auto& t) { return elu(t, 2); }, x)[0] == Approx(2 * std::exp(-60.0)));
}

TEST_CASE("gelu keeps the digits of its tail, and is 0 at -infinity", "[autograd][ops]") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    const auto tail = [](double t) { return 0.5 * t * std::erfc(-t / std::sqrt(2.0)); };
    for (const double t : {-3.0, -6.0, -10.0, 2.0})
      CHECK(gelu(tensor({t}, dtype)).item() == Approx(tail(t)).epsilon(1e-5));
    check(gelu(tensor({-infinity, infinity}, dtype)).to_vector<double>(), {0, infinity});
    check(gradient([](auto& t) { return gelu(t); }, tensor({-infinity, infinity}, dtype)), {0, 1});
  }
}

TEST_CASE("what is not chosen gets no part of an infinite gradient", "[autograd][ops]") {
  const Tensor x = numbers({-1, 0, 4});
  check(gradient([](auto& t) { return sqrt(maximum(t, 0)); }, x), {0, infinity, 0.25});
  check(gradient([](auto& t) { return sqrt(minimum(t, 0)); }, numbers({4, 9})), {0, 0});
  check(gradient([](auto& t) { return sqrt(max(t)); }, numbers({-1, 0, -2})), {0, infinity, 0});
  check(gradient([](auto& t) { return sqrt(min(t)); }, numbers({1, 0, 2})), {0, infinity, 0});
}

TEST_CASE("max, maximum and clamp of infinities have the gradients of any number", "[autograd][ops]") {
  check(gradient([](auto& t) { return max(t); }, numbers({infinity, 1, infinity})), {0.5, 0, 0.5});
  check(gradient([](auto& t) { return max(t); }, numbers({-infinity, -infinity})), {0.5, 0.5});
  check(gradient([](auto& t) { return maximum(t, 1); }, numbers({infinity, -infinity})), {1, 0});
  check(gradient([](auto& t) { return clamp(t, -1, 1); }, numbers({infinity, -infinity})), {0, 0});
}

TEST_CASE("norms and deviations of very large and very small numbers", "[autograd][ops]") {
  for (const auto& [dtype, size] : {std::pair{DType::float64, 1e200}, std::pair{DType::float64, 1e-200},
                                    std::pair{DType::float32, 1e30}, std::pair{DType::float32, 1e-30}}) {
    INFO(size);
    // Beside rows of ordinary numbers, and of zeros.
    const Tensor x = tensor({{3 * size, -4 * size}, {3, -4}, {0, 0}}, dtype);
    const auto norms = norm(x, 1).to_vector<double>();
    CHECK(norms[0] / size == Approx(5));
    CHECK(norms[1] == 5);
    CHECK(norms[2] == 0);
    const auto slopes = gradient([](auto& t) { return norm(t, 1); }, x);
    CHECK(slopes[0] == Approx(0.6));
    CHECK(slopes[1] == Approx(-0.8));
    CHECK(slopes[4] == 0);
    const auto deviations = standard_deviation(x, 1, {.correction = 0}).to_vector<double>();
    CHECK(deviations[0] / size == Approx(3.5));
    CHECK(deviations[1] == Approx(3.5));
    CHECK(deviations[2] == 0);
    const auto by = gradient([](auto& t) { return standard_deviation(t, 1, {.correction = 0}); }, x);
    CHECK(by[0] == Approx(0.5));
    CHECK(by[1] == Approx(-0.5));
    CHECK(by[4] == 0);
    CHECK(norm(slice(x, {0}), {}, {.keepdims = true}).shape() == Shape{1});
    const auto curvature = [&](const Function& f, const Tensor& at, const Tensor& tangent) {
      auto values = hvp(f, at, tangent).to_vector<double>();
      for (double& value : values) value *= size;
      return values;
    };
    const auto of_norm = curvature([](const Tensor& t) { return norm(t); }, tensor({size, 2 * size}, dtype),
                                   tensor({1, 0}, dtype));
    CHECK(of_norm[0] == Approx(4 / std::pow(5, 1.5)));
    CHECK(of_norm[1] == Approx(-2 / std::pow(5, 1.5)));
    const Function deviation_of = [](const Tensor& t) {
      return standard_deviation(t, {}, {.correction = 0});
    };
    const auto of_deviation =
        curvature(deviation_of, tensor({size, 2 * size, 4 * size}, dtype), tensor({1, 0, 0}, dtype));
    const auto ordinary = hvp(deviation_of, numbers({1, 2, 4}), numbers({1, 0, 0})).to_vector<double>();
    for (std::size_t i = 0; i < 3; ++i) CHECK(of_deviation[i] == Approx(ordinary[i]).epsilon(1e-4));
  }
  CHECK(norm(numbers({infinity, 1})).item() == infinity);
  CHECK(std::isnan(norm(numbers({not_a_number, 1})).item()));
}

TEST_CASE("reductions over no elements", "[autograd][ops]") {
  const Tensor none = Tensor::empty({2, 0}, DType::float64);
  CHECK(sum(none).item() == 0);
  CHECK(prod(none).item() == 1);
  CHECK(std::isnan(mean(none).item()));
  CHECK(logsumexp(none).item() == -infinity);
  CHECK(norm(none).item() == 0);
  CHECK(max(none, 0).shape() == Shape{0});
}

TEST_CASE("sigmoid, tanh, softplus and gelu saturate without NaN", "[autograd][ops]") {
  const Tensor x = numbers({-800, 800});
  check(gradient([](auto& t) { return sigmoid(t); }, x), {0, 0});
  check(gradient([](auto& t) { return tanh(t); }, x), {0, 0});
  check(gradient([](auto& t) { return softplus(t); }, x), {0, 1});
  check(gradient([](auto& t) { return gelu(t); }, x), {0, 1});
  check(gradient([](auto& t) { return elu(t); }, x), {0, 1});
}

TEST_CASE("activations have derivatives at infinity", "[autograd][ops]") {
  const Tensor x = numbers({-infinity, -50, 50, infinity});
  check(gelu(x).to_vector<double>(), {0, 0, 50, infinity});
  check(gradient([](auto& v) { return gelu(v); }, x), {0, 0, 1, 1});
  check(gradient([](auto& v) { return elu(v); }, x), {0, std::exp(-50), 1, 1});
  check(gradient([](auto& v) { return erf(v); }, x), {0, 0, 0, 0});
  check(second_derivative([](auto& v) { return gelu(v); }, x), {0, 0, 0, 0});
  check(second_derivative([](auto& v) { return elu(v); }, x), {0, std::exp(-50), 0, 0});
  check(second_derivative([](auto& v) { return erf(v); }, x), {0, 0, 0, 0});
}
