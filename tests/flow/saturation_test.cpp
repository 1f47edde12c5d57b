#include "rill/flow/saturation.h"

#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;
using Values = std::vector<double>;

TEST_CASE("saturation is the share of a gate's values beyond thresholds, by step and by unit",
          "[flow][saturation]") {
  const std::vector<Tensor> gate = {tensor({{0.05, 0.5}, {0.95, 0.5}}), tensor({{0.01, 0.99}, {0.02, 0.1}})};
  const auto s = flow::saturation(gate);
  CHECK(s.low.to_vector<double>() == Values{0.25, 0.5});
  CHECK(s.high.to_vector<double>() == Values{0.25, 0.25});
  CHECK(s.unit_low.to_vector<double>() == Values{0.75, 0});
  CHECK(s.unit_high.to_vector<double>() == Values{0.25, 0.25});
  CHECK((s.unit_low.shape() == Shape{2}));
  CHECK(flow::saturation(gate, {.low = 0.02, .high = 0.4}).high.to_vector<double>() == Values{0.75, 0.25});
}

TEST_CASE("NaN is neither low nor high", "[flow][saturation]") {
  const auto s = flow::saturation({tensor({{NAN, 0.0}})});
  CHECK(s.low.item() == 0.5);
  CHECK(s.high.item() == 0);
}

TEST_CASE("saturation rejects what is no gate over time", "[flow][saturation][error]") {
  CHECK_THROWS_AS(flow::saturation({}), ValueError);
  CHECK_THROWS_AS(flow::saturation({zeros({2, 2}), zeros({2, 3})}), ShapeError);
  CHECK_THROWS_AS(flow::saturation({zeros({2, 2})}, {.low = 1, .high = 0}), ValueError);
  CHECK_THROWS_AS(flow::saturation({zeros({0, 2})}), ValueError);
}

TEST_CASE("a histogram counts every value once", "[flow][histogram]") {
  const auto h = flow::histogram(tensor({-2, -1, -0.5, 0, 0.49, 0.5, 1, 1.1, NAN, INFINITY}), -1, 1, 4);
  CHECK(h.counts == std::vector<std::int64_t>{1, 1, 2, 2});
  CHECK(h.below == 1);
  CHECK(h.above == 2);
  CHECK(h.nans == 1);
  CHECK_THROWS_AS(flow::histogram(tensor({1}), 1, 1), ValueError);
  CHECK_THROWS_AS(flow::histogram(tensor({1}), 0, 1, 0), ValueError);
}
