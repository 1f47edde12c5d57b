#include "rill/tensor/create.h"

#include <cmath>
#include <limits>

#include "rill/autograd/ops.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(),
                 infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("braces are nested as the axes are", "[tensor][create]") {
  CHECK(tensor({}).shape() == Shape{0});
  CHECK(tensor({{}}).shape() == Shape{1, 0});
  CHECK(tensor({{}, {}}).shape() == Shape{2, 0});
  CHECK(tensor({7}).shape() == Shape{1});
  CHECK(tensor({{7}}).shape() == Shape{1, 1});
  CHECK(tensor({{{7}}}).shape() == Shape{1, 1, 1});
  CHECK(tensor({{1}, {2}}).shape() == Shape{2, 1});
  CHECK(tensor({{{1}, {2}}}).shape() == Shape{1, 2, 1});
  CHECK(tensor({{{1}}, {{2}}}).shape() == Shape{2, 1, 1});
  CHECK(tensor({{1, 2}}).shape() == Shape{1, 2});
  CHECK(tensor({{1, 2}, {3, 4}}).shape() == Shape{2, 2});
  CHECK(tensor({{{1, 2, 3}, {4, 5, 6}}, {{7, 8, 9}, {10, 11, 12}}}).shape() == Shape{2, 2, 3});
  CHECK(tensor({{{{1, 2}, {3, 4}}}}).shape() == Shape{1, 1, 2, 2});
  CHECK(tensor({{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}).to_vector<float>() ==
        std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(tensor({{1, 2.5}, {true, 3.F}}, DType::float64).to_vector<double>() ==
        std::vector<double>{1, 2.5, 1, 3});
  const std::initializer_list<double> named = {1.5, 2.5};
  CHECK(tensor(named).to_vector<float>() == std::vector<float>{1.5, 2.5});
  CHECK(tensor({}, DType::int64).dtype() == DType::int64);
  CHECK_THROWS_AS(tensor({{1, 2}, {3}}), ShapeError);
  CHECK_THROWS_AS(tensor({{1}, {}}), ShapeError);
  CHECK_THROWS_AS(tensor({{1, 2}, 3}), ShapeError);
  CHECK_THROWS_AS(tensor({{{1}, {2}}, {{1, 2}, {3, 4}}}), ShapeError);
}

TEST_CASE("what is made of numbers refuses those that its dtype does not hold", "[tensor][create]") {
  CHECK_THROWS_WITH(tensor({1, 2.5}, DType::int64),
                    "tensor: int64 cannot hold 2.5, which is not a whole number");
  CHECK_THROWS_AS(tensor({not_a_number}, DType::int64), ValueError);
  CHECK_THROWS_AS(tensor({{1e19}}, DType::int64), ValueError);
  CHECK_THROWS_AS(tensor({std::numeric_limits<std::uint64_t>::max()}), ValueError);
  CHECK(tensor({-1, 2}, DType::int64).to_vector<std::int64_t>() == std::vector<std::int64_t>{-1, 2});
  CHECK_THROWS_AS(full({2}, 0.5, DType::int64), ValueError);
  CHECK_THROWS_AS(full({2}, infinity, DType::int64), ValueError);
  CHECK_THROWS_AS(pad(tensor({1}, DType::int64), {{1, 1}}, 0.5), ValueError);
  CHECK(std::isnan(full({1}, not_a_number).item()));
  CHECK(cast(tensor({2.5}), DType::int64).item() == 2);  // a cast truncates, as it says
}

TEST_CASE("arange is a range of numbers that the dtype holds", "[tensor][create]") {
  CHECK(arange(3).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 2});
  CHECK(arange(3.0).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 2});
  CHECK(arange(0).count() == 0);
  CHECK(arange(-3).count() == 0);
  CHECK(arange(2, DType::float32).dtype() == DType::float32);
  CHECK(arange(0, 1, 0.25).to_vector<float>() == std::vector<float>{0, 0.25, 0.5, 0.75});
  CHECK(arange(3, 0, -1, DType::int64).to_vector<std::int64_t>() == std::vector<std::int64_t>{3, 2, 1});
  CHECK_THROWS_WITH(arange(3.7), "arange: 3.7 is not a whole number");
  CHECK_THROWS_WITH(arange(0, 5, 2.5, DType::int64),
                    "arange: int64 cannot hold 2.5, which is not a whole number");
  CHECK_THROWS_AS(arange(not_a_number), ValueError);
  CHECK_THROWS_AS(arange(infinity), ValueError);
  CHECK_THROWS_AS(arange(0, 1, 0), ValueError);
  for (double bad : {not_a_number, infinity, -infinity}) {
    CHECK_THROWS_AS(arange(bad, 1), ValueError);
    CHECK_THROWS_AS(arange(0, bad), ValueError);
    CHECK_THROWS_AS(arange(0, 1, bad), ValueError);
  }
}

TEST_CASE("a C++ number is a tensor of that number or refused", "[tensor][create]") {
  CHECK(Tensor(true).item() == 1);
  CHECK(Tensor('a').item() == 'a');
  CHECK(Tensor(static_cast<signed char>(-3)).item() == -3);
  CHECK(Tensor(static_cast<unsigned char>(200)).item() == 200);
  CHECK(Tensor(std::numeric_limits<std::uint32_t>::max()).item() == 4294967295.0);
  CHECK(Tensor(std::numeric_limits<std::int64_t>::min()).span<std::int64_t>()[0] ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(Tensor(std::uint64_t{1} << 62).span<std::int64_t>()[0] == std::int64_t{1} << 62);
  CHECK_THROWS_WITH(Tensor(~0ULL), "Tensor: int64 does not hold 18446744073709551615");
  CHECK_THROWS_AS(Tensor(std::uint64_t{1} << 63), ValueError);
  CHECK_THROWS_AS(ones({2}) * ~0ULL, ValueError);
  CHECK(Tensor(1.5L).item() == 1.5);
  CHECK(std::isinf(Tensor(std::numeric_limits<long double>::infinity()).item()));
  CHECK(std::isnan(Tensor(std::numeric_limits<long double>::quiet_NaN()).item()));
  if (std::numeric_limits<long double>::max() > std::numeric_limits<double>::max()) {
    CHECK_THROWS_AS(Tensor(std::numeric_limits<long double>::max()), ValueError);
    CHECK_THROWS_AS(Tensor(std::numeric_limits<long double>::lowest()), ValueError);
  }
}

TEST_CASE("one_hot takes labels only", "[tensor][create]") {
  CHECK(one_hot(tensor({2, 0}, DType::int64), 3).to_vector<float>() == std::vector<float>{0, 0, 1, 1, 0, 0});
  CHECK_THROWS_AS(one_hot(tensor({-1}, DType::int64), 3), ValueError);
  CHECK_THROWS_AS(one_hot(tensor({3}, DType::int64), 3), ValueError);
  CHECK_THROWS_AS(one_hot(tensor({1}, DType::int64), 0), ValueError);
  CHECK_THROWS_AS(one_hot(tensor({1}), 3), DTypeError);
}
