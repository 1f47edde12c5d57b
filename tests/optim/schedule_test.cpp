#include "rill/optim/schedule.h"

#include <cmath>
#include <limits>

#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;
using namespace rill::optim;

TEST_CASE("a number is a schedule that never changes", "[optim][schedule]") {
  const Schedule rate = 0.01;
  CHECK(rate(0) == 0.01);
  CHECK(rate(1'000'000) == 0.01);
  CHECK(Schedule(1)(5) == 1);
}

TEST_CASE("a function of the step is a schedule", "[optim][schedule]") {
  const Schedule rate = [](std::int64_t step) { return step < 3 ? 1.0 : 0.5; };
  CHECK(rate(2) == 1);
  CHECK(rate(3) == 0.5);
}

TEST_CASE("inverse_time is Keras's decay", "[optim][schedule]") {
  const Schedule rate = inverse_time(1e-4, 1e-6);
  CHECK(rate(0) == 1e-4);
  CHECK(rate(1'000'000) == Approx(5e-5));
}

TEST_CASE("step_decay falls at whole multiples, exponential between them too", "[optim][schedule]") {
  const Schedule steps = step_decay(1, 0.5, 10);
  CHECK(steps(0) == 1);
  CHECK(steps(9) == 1);
  CHECK(steps(10) == 0.5);
  CHECK(steps(29) == 0.25);
  const Schedule smooth = exponential(1, 0.5, 10);
  CHECK(smooth(0) == 1);
  CHECK(smooth(5) == Approx(std::sqrt(0.5)));
  CHECK(smooth(10) == Approx(0.5));
}

TEST_CASE("cosine and linear reach their last rate and keep it", "[optim][schedule]") {
  const Schedule half_wave = cosine(1, 100, 0.2);
  CHECK(half_wave(0) == 1);
  CHECK(half_wave(50) == Approx(0.6));
  CHECK(half_wave(99) > 0.2);
  CHECK(half_wave(100) == 0.2);
  CHECK(half_wave(101) == 0.2);
  const Schedule line = linear(0, 1, 4);
  CHECK(line(0) == 0);
  CHECK(line(1) == 0.25);
  CHECK(line(4) == 1);
  CHECK(line(9) == 1);
}

TEST_CASE("warm_up rises to its schedule, which then counts from 0", "[optim][schedule]") {
  const Schedule rate = warm_up(3, cosine(1, 10));
  CHECK(rate(0) == Approx(0.25));
  CHECK(rate(2) == Approx(0.75));
  CHECK(rate(3) == 1);
  CHECK(rate(8) == Approx(0.5));
  CHECK(rate(13) == 0);
  CHECK(warm_up(0, 0.5)(0) == 0.5);
}

TEST_CASE("schedules compose", "[optim][schedule]") {
  const Schedule rate = 0.5 * join(linear(0, 1, 2), 2, join(1.0, 3, inverse_time(1, 1)));
  CHECK(rate(0) == 0);
  CHECK(rate(1) == 0.25);
  CHECK(rate(2) == 0.5);
  CHECK(rate(4) == 0.5);
  CHECK(rate(5) == 0.5);
  CHECK(rate(6) == 0.25);
}

TEST_CASE("schedules reject rates, factors and counts outside of their domain", "[optim][schedule][error]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(Schedule(nan),
                    "schedule: a learning rate of nan; expected a finite number of at least 0");
  CHECK_THROWS_AS(Schedule(infinity), ValueError);
  CHECK_THROWS_AS(Schedule(-1), ValueError);
  CHECK_THROWS_WITH(inverse_time(1, -1e-6),
                    "inverse_time: a decay of -1e-06; expected a finite number of at least 0");
  CHECK_THROWS_AS(step_decay(1, 0, 10), ValueError);
  CHECK_THROWS_AS(step_decay(1, 1.5, 10), ValueError);
  CHECK_THROWS_AS(step_decay(1, 0.5, 0), ValueError);
  CHECK_THROWS_AS(exponential(1, nan, 10), ValueError);
  CHECK_THROWS_WITH(cosine(1, 0), "cosine: 0 steps; expected at least 1");
  CHECK_THROWS_AS(cosine(1, 10, -1), ValueError);
  CHECK_THROWS_AS(linear(1, infinity, 10), ValueError);
  CHECK_THROWS_AS(warm_up(-1, 1.0), ValueError);
  CHECK_THROWS_AS(join(1.0, -1, 1.0), ValueError);
  CHECK_THROWS_AS(-1.0 * Schedule(1), ValueError);
  CHECK_THROWS_AS(Schedule(1)(-1), ValueError);
  CHECK_THROWS_AS(Schedule(std::function<double(std::int64_t)>())(0), ValueError);
  const Schedule broken = [](std::int64_t step) { return 1.0 / static_cast<double>(step); };
  CHECK_THROWS_WITH(broken(0),
                    "schedule: a learning rate of inf at step 0; expected a finite number of at least 0");
}
