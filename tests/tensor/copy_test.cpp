#include "rill/tensor/kernels/copy.h"

#include <cmath>
#include <limits>

#include "rill/tensor/error.h"
#include "tests/catch.h"
#include "tests/tensor/layouts.h"

using namespace rill;
using detail::TensorAccess;
using test::bits;
using test::elements;

TEST_CASE("copy gives the same elements in row-major order", "[tensor][copy]") {
  for (const DType dtype : {DType::float32, DType::float64, DType::int64})
    for (const Shape& shape : test::shapes())
      for (const auto& [name, x] : test::layouts(shape, dtype)) {
        CAPTURE(name, to_string(shape));
        const Tensor y = kernels::copy(x);
        CHECK(y.is_contiguous());
        CHECK(y.shape() == shape);
        CHECK(bits(y) == bits(x));
      }
}

TEST_CASE("copy turns matrices larger than its tiles and parts", "[tensor][copy]") {
  for (const Shape& shape : {Shape{37, 1024}, {1030, 35}, {16, 16}, {3, 129, 65}, {70000}, {2, 40000}})
    for (const auto& [name, x] : test::layouts(shape, DType::float32)) {
      CAPTURE(name, to_string(shape));
      CHECK(bits(kernels::copy(x)) == bits(x));
    }
}

TEST_CASE("contiguous gives the tensor itself where it can", "[tensor][copy]") {
  const Tensor x = test::values({3, 4}, DType::float32);
  CHECK(TensorAccess::data<float>(kernels::contiguous(x)) == TensorAccess::data<float>(x));
  const Tensor y = kernels::contiguous(kernels::transpose(x, 0, 1));
  CHECK(y.is_contiguous());
  CHECK(TensorAccess::data<float>(y) != TensorAccess::data<float>(x));
}

TEST_CASE("cast converts between all dtypes in every layout", "[tensor][copy]") {
  for (const DType from : {DType::float32, DType::float64, DType::int64})
    for (const DType to : {DType::float32, DType::float64, DType::int64})
      for (const auto& [name, x] : test::layouts({3, 21}, from)) {
        CAPTURE(name, rill::name(from), rill::name(to));
        const Tensor y = kernels::cast(x, to);
        CHECK(y.dtype() == to);
        std::vector<double> expected = elements<double>(x);
        for (double& v : expected)
          v = to == DType::int64 ? std::trunc(v) : to == DType::float32 ? static_cast<float>(v) : v;
        CHECK(elements<double>(y) == expected);
      }
}

TEST_CASE("cast to the same dtype is the tensor itself, unless it is a number", "[tensor][copy]") {
  const Tensor x = test::values({3}, DType::float64);
  CHECK(TensorAccess::data<double>(kernels::cast(x, DType::float64)) == TensorAccess::data<double>(x));
  CHECK_FALSE(TensorAccess::body(kernels::cast(Tensor(0.5), DType::float64)).weak);
}

TEST_CASE("cast to int64 truncates and refuses what int64 cannot hold", "[tensor][copy]") {
  const auto to_int = [](double v) { return kernels::cast(Tensor(v), DType::int64).item(); };
  CHECK(to_int(2.9) == 2);
  CHECK(to_int(-2.9) == -2);
  CHECK(to_int(-9223372036854775808.0) == -9223372036854775808.0);
  for (const double v : {9223372036854775808.0, -1e19, std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(to_int(v), ValueError);
  CHECK_THROWS_WITH(to_int(1e30), "cast: int64 cannot hold 1e+30");
  CHECK_THROWS_AS(kernels::full({2}, 1e30, DType::int64), ValueError);
}

TEST_CASE("copy_into and add_into write the elements of a view and no other", "[tensor][copy]") {
  for (const auto& [name, source] : test::layouts({3, 5}, DType::float32, 3)) {
    CAPTURE(name);
    const Tensor whole = test::values({8, 13}, DType::float32);
    const Tensor target = kernels::window(kernels::window(whole, 0, 1, 3, 2), 1, 10, 5, -2);
    const auto source_values = elements<float>(source), before = elements<float>(target);

    double outside = 0;
    for (float v : elements<float>(whole)) outside += v;
    for (float v : before) outside -= v;

    kernels::copy_into(source, target);
    CHECK(elements<float>(target) == source_values);
    kernels::add_into(source, target);
    auto twice = source_values;
    for (float& v : twice) v += v;
    CHECK(elements<float>(target) == twice);

    double outside_after = 0;
    for (float v : elements<float>(whole)) outside_after += v;
    for (float v : twice) outside_after -= v;
    CHECK(outside_after == Approx(outside).margin(1e-4));
  }
}

TEST_CASE("copy_into and add_into broadcast the source and check it", "[tensor][copy]") {
  const Tensor target = kernels::full({2, 3}, 1, DType::float64);
  kernels::copy_into(Tensor::from<double>({1, 2, 3}), target);
  kernels::add_into(Tensor::from<double>({10, 20}, {2, 1}), target);
  CHECK(elements<double>(target) == std::vector<double>{11, 12, 13, 21, 22, 23});
  kernels::fill(kernels::window(target, 1, 1, 2), 5);
  CHECK(elements<double>(target) == std::vector<double>{11, 5, 5, 21, 5, 5});

  const auto large = Tensor::from<double>({1, 2, 3, 4}, {2, 2});
  CHECK_THROWS_AS(kernels::add_into(large, target), ShapeError);
  CHECK_THROWS_WITH(kernels::add_into(kernels::full({4, 2, 3}, 1, DType::float64), target),
                    "add_into: shape [4, 2, 3] does not broadcast to [2, 3]");
  CHECK_THROWS_WITH(kernels::copy_into(kernels::full({}, 1, DType::float32), target),
                    "copy_into: float32 into float64: the dtypes differ");
}

TEST_CASE("full fills every dtype and shape", "[tensor][copy]") {
  CHECK(elements<float>(kernels::full({2, 2}, 1.5, DType::float32)) == std::vector<float>(4, 1.5F));
  CHECK(elements<std::int64_t>(kernels::full({3}, 7, DType::int64)) == std::vector<std::int64_t>(3, 7));
  CHECK(kernels::full({}, 2, DType::float64).item() == 2);
  CHECK(kernels::full({0, 4}, 2, DType::float64).count() == 0);
  CHECK(elements<double>(kernels::full({50000}, 3, DType::float64)) == std::vector<double>(50000, 3));
}
