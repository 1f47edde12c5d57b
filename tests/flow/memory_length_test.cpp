#include "rill/flow/memory_length.h"

#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;

TEST_CASE("the memory length of an exponent is the time in which e is lost", "[flow]") {
  CHECK(flow::memory_length(-0.05) == Approx(20));
  CHECK(flow::memory_length(0) == INFINITY);
  CHECK(flow::memory_length(0.1) == INFINITY);
  CHECK(flow::memory_length(-INFINITY) == 0);
  CHECK_THROWS_AS(flow::memory_length(NAN), ValueError);
}

TEST_CASE("an exponential decay is fitted exactly, from the last step backwards", "[flow]") {
  const Tensor back = flip(arange(0, 40, 1, DType::float64));
  const flow::DecayFit fit = flow::fit_decay(3 * exp(-0.25 * back));
  CHECK(fit.rate == Approx(-0.25));
  CHECK(fit.memory_length == Approx(4));
  CHECK(fit.r_squared == Approx(1));
  CHECK(fit.points == 40);
  CHECK(flow::fit_decay(exp(0.1 * back)).memory_length == INFINITY);
}

TEST_CASE("a decay curve of a batch is the geometric mean's, without steps where nothing arrived", "[flow]") {
  const Tensor norms = tensor({{0, 1e-9}, {1e-3, 1e-5}, {1e-2, 1e-4}, {1e-1, 1e-3}}, DType::float64);
  const flow::DecayFit fit = flow::fit_decay(norms);
  CHECK(fit.points == 3);
  CHECK(fit.rate == Approx(-std::log(10.0)));
}

TEST_CASE("a curve that is no exponential has a lower r squared", "[flow]") {
  CHECK(flow::fit_decay(tensor({1, 5, 1, 5, 1, 5}, DType::float64)).r_squared < 0.2);
}

TEST_CASE("a decay curve that cannot be fitted is refused", "[flow]") {
  CHECK_THROWS_WITH(flow::fit_decay(tensor({0, 0, 1})),
                    "fit_decay: 1 steps with norms above 0; expected at least 2");
  CHECK_THROWS_WITH(flow::fit_decay(tensor({1, -1})), "fit_decay: a norm of -1 at step 1");
  CHECK_THROWS_AS(flow::fit_decay(tensor({1, NAN})), ValueError);
  CHECK_THROWS_AS(flow::fit_decay(zeros({2, 2, 2})), ShapeError);
  CHECK_THROWS_AS(flow::fit_decay(zeros({2}, DType::int64)), DTypeError);
}
