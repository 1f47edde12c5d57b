#include <cmath>
#include <limits>

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/autograd/transforms.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

using Values = std::vector<double>;

// The gradient that comes out where `gradient` comes in.
Values passed(const std::function<Tensor(const Tensor&)>& control, const Tensor& gradient) {
  Tape tape;
  const Tensor x = tape.watch(zeros_like(gradient));
  return tape.gradient({control(x), gradient}, x).to_vector<double>();
}

const Tensor three_four = tensor({{3, 4}, {0.3, 0.4}}, DType::float64);

}  // namespace

TEST_CASE("a gradient is scaled and reversed where the graph says so", "[flow][interventions]") {
  CHECK(passed([](auto& x) { return scale_gradient(x, 0.5); }, three_four) == Values{1.5, 2, 0.15, 0.2});
  CHECK(passed([](auto& x) { return reverse_gradient(x); }, three_four) == Values{-3, -4, -0.3, -0.4});
  CHECK(passed([](auto& x) { return reverse_gradient(x, 2); }, three_four) == Values{-6, -8, -0.6, -0.8});
}

TEST_CASE("a gradient is clipped element by element or example by example", "[flow][interventions]") {
  CHECK(passed([](auto& x) { return clip_gradient_value(x, 0.35); }, three_four) ==
        Values{0.35, 0.35, 0.3, 0.35});
  const Values clipped = passed([](auto& x) { return clip_gradient_norm(x, 1); }, three_four);
  CHECK(clipped[0] == Approx(0.6));
  CHECK(clipped[1] == Approx(0.8));
  CHECK(clipped[2] == 0.3);
  CHECK(clipped[3] == 0.4);
  const Values scalar =
      passed([](auto& x) { return clip_gradient_norm(x, 1); }, full({}, -2, DType::float64));
  CHECK(scalar == Values{-1});
}

TEST_CASE("clipping a norm leaves an example whose gradient is not finite as it is, and the others clipped",
          "[flow][interventions]") {
  const double infinity = std::numeric_limits<double>::infinity();
  const Values clipped = passed([](auto& x) { return clip_gradient_norm(x, 1); },
                                tensor({{infinity, 4}, {30, 40}, {NAN, 1}}, DType::float64));
  CHECK(clipped[0] == infinity);
  CHECK(clipped[1] == 4);
  CHECK(clipped[2] == Approx(0.6));
  CHECK(std::isnan(clipped[4]));
}

TEST_CASE("noise is added to a gradient and not to the value, with the deviation that was asked for",
          "[flow][interventions]") {
  Generator generator(3);
  const Tensor g = zeros({100, 100}, DType::float64);
  const Values noise = passed([&](auto& x) { return add_gradient_noise(x, 0.5, generator); }, g);
  double mean = 0, square = 0;
  for (const double v : noise) {
    mean += v / 1e4;
    square += v * v / 1e4;
  }
  CHECK(std::abs(mean) < 0.02);
  CHECK(std::sqrt(square) == Approx(0.5).epsilon(0.05));
  Generator same(3);
  CHECK(passed([&](auto& x) { return add_gradient_noise(x, 0.5, same); }, g) == noise);
}

TEST_CASE("a clipped gradient has the derivative of its clipped value", "[flow][interventions]") {
  // The gradient of x^2 / 2 is x; with its norm clipped, x / |x|, of which the derivative along x is 0.
  const auto f = [](const Tensor& x) { return sum(square(clip_gradient_norm(x, 1))) / 2; };
  const Tensor x = tensor({{3, 4}}, DType::float64);
  const Tensor along = hvp(f, x, x), across = hvp(f, x, tensor({{-4, 3}}, DType::float64));
  for (const double v : along.to_vector<double>()) CHECK(std::abs(v) < 1e-15);
  CHECK(across.to_vector<double>()[0] == Approx(-4.0 / 5));
  CHECK(across.to_vector<double>()[1] == Approx(3.0 / 5));
}

TEST_CASE("a second derivative passes an intervention twice", "[flow][interventions]") {
  const auto f = [](const Tensor& x) { return sum(square(reverse_gradient(x, 3))) / 2; };
  const Tensor x = tensor({3, 4}, DType::float64);
  CHECK(grad(f)(x).to_vector<double>() == Values{-9, -12});
  CHECK(hvp(f, x, x).to_vector<double>() == Values{27, 36});
}

TEST_CASE("interventions reject bounds and deviations that make no sense", "[flow][interventions][error]") {
  CHECK_THROWS_WITH(clip_gradient_value(three_four, 0),
                    "clip_gradient_value: a bound of 0; expected a finite number above 0");
  CHECK_THROWS_AS(clip_gradient_norm(three_four, NAN), ValueError);
  CHECK_THROWS_WITH(add_gradient_noise(three_four, -1),
                    "add_gradient_noise: a deviation of -1; expected a finite number, 0 or more");
}
