#include "rill/tensor/kernels/elementwise.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/rows.h"
#include "rill/tensor/threads.h"
#include "tests/catch.h"
#include "tests/tensor/layouts.h"

using namespace rill;
using detail::TensorAccess;
using test::bits;
using test::elements;
using test::layouts;
using test::values;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr float float_nan = std::numeric_limits<float>::quiet_NaN();

struct Unary {
  const char* name;
  std::function<Tensor(const Tensor&)> kernel;
  std::function<double(double)> expected;
  bool integers = false;
};

const std::vector<Unary> unary = {
    {"neg", kernels::neg, [](double x) { return -x; }, true},
    {"abs", kernels::abs, [](double x) { return std::abs(x); }, true},
    {"square", kernels::square, [](double x) { return x * x; }, true},
    {"sign", kernels::sign, [](double x) { return (x > 0) - (x < 0); }, true},
    {"relu", kernels::relu, [](double x) { return std::max(x, 0.0); }, true},
    {"clamp", [](const Tensor& x) { return kernels::clamp(x, -2, 1); },
     [](double x) { return std::clamp(x, -2.0, 1.0); }, true},
    {"exp", kernels::exp, [](double x) { return std::exp(x); }},
    {"log", kernels::log, [](double x) { return std::log(x); }},
    {"log1p", kernels::log1p, [](double x) { return std::log1p(x); }},
    {"expm1", kernels::expm1, [](double x) { return std::expm1(x); }},
    {"sqrt", kernels::sqrt, [](double x) { return std::sqrt(x); }},
    {"rsqrt", kernels::rsqrt, [](double x) { return 1 / std::sqrt(x); }},
    {"sin", kernels::sin, [](double x) { return std::sin(x); }},
    {"cos", kernels::cos, [](double x) { return std::cos(x); }},
    {"tanh", kernels::tanh, [](double x) { return std::tanh(x); }},
    {"sigmoid", kernels::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
    {"softplus", kernels::softplus,
     [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }},
    {"reciprocal", kernels::reciprocal, [](double x) { return 1 / x; }},
    {"erf", kernels::erf, [](double x) { return std::erf(x); }},
    {"isfinite", kernels::isfinite, [](double x) { return std::isfinite(x) ? 1.0 : 0.0; }},
};

struct Binary {
  const char* name;
  std::function<Tensor(const Tensor&, const Tensor&)> kernel;
  std::function<double(double, double)> expected;
  bool integers = true;
};

const std::vector<Binary> binary = {
    {"add", kernels::add, [](double a, double b) { return a + b; }},
    {"sub", kernels::sub, [](double a, double b) { return a - b; }},
    {"mul", kernels::mul, [](double a, double b) { return a * b; }},
    {"div", kernels::div, [](double a, double b) { return a / b; }, false},
    {"pow", kernels::pow, [](double a, double b) { return std::pow(a, b); }, false},
    {"maximum", kernels::maximum, [](double a, double b) { return std::max(a, b); }},
    {"minimum", kernels::minimum, [](double a, double b) { return std::min(a, b); }},
    {"equal", kernels::equal, [](double a, double b) { return a == b; }},
    {"not_equal", kernels::not_equal, [](double a, double b) { return a != b; }},
    {"less", kernels::less, [](double a, double b) { return a < b; }},
    {"less_equal", kernels::less_equal, [](double a, double b) { return a <= b; }},
    {"greater", kernels::greater, [](double a, double b) { return a > b; }},
    {"greater_equal", kernels::greater_equal, [](double a, double b) { return a >= b; }},
};

std::vector<DType> dtypes(bool integers) {
  if (integers) return {DType::float32, DType::float64, DType::int64};
  return {DType::float32, DType::float64};
}

// Whether the elements are those values up to a few roundings of their dtype.
bool matches(const Tensor& x, const std::vector<double>& expected) {
  const double rounding = x.dtype() == DType::float32 ? 0x1p-23 : 0x1p-52;
  const auto given = elements<double>(x);
  return std::equal(given.begin(), given.end(), expected.begin(), expected.end(), [&](double a, double b) {
    return (std::isnan(a) && std::isnan(b)) || a == b || std::abs(a - b) <= 8 * rounding * std::abs(b);
  });
}

Tensor scalar(double value, DType dtype) { return kernels::full({}, value, dtype); }

double apply(const std::function<Tensor(const Tensor&)>& f, double x, DType dtype) {
  return f(scalar(x, dtype)).item();
}

}  // namespace

TEST_CASE("unary kernels equal scalar loops in every layout", "[tensor][elementwise]") {
  for (const Unary& op : unary)
    for (const DType dtype : dtypes(op.integers))
      for (const Shape& shape : test::shapes())
        for (const auto& [name, x] : layouts(shape, dtype)) {
          CAPTURE(op.name, name, rill::name(dtype), to_string(shape));
          auto expected = elements<double>(x);
          for (double& v : expected) v = op.expected(v);
          const Tensor y = op.kernel(x);
          CHECK(y.shape() == shape);
          CHECK(y.dtype() == dtype);
          CHECK(matches(y, expected));
        }
}

TEST_CASE("binary kernels equal scalar loops in every pair of layouts", "[tensor][elementwise]") {
  for (const Binary& op : binary)
    for (const DType dtype : dtypes(op.integers))
      for (const auto& [name_a, a] : layouts({3, 2, 19}, dtype))
        for (const auto& [name_b, b] : layouts({3, 2, 19}, dtype, 4)) {
          CAPTURE(op.name, name_a, name_b, rill::name(dtype));
          auto expected = elements<double>(a);
          const auto other = elements<double>(b);
          for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = op.expected(expected[i], other[i]);
          CHECK(matches(op.kernel(a, b), expected));
        }
}

TEST_CASE("broadcasting equals expanding first", "[tensor][elementwise]") {
  const std::vector<std::pair<Shape, Shape>> pairs = {{{4, 17}, {17}},
                                                      {{4, 17}, {4, 1}},
                                                      {{4, 1}, {1, 17}},
                                                      {{2, 3, 5}, {3, 1}},
                                                      {{2, 1, 5}, {4, 1}},
                                                      {{3, 4}, {}},
                                                      {{3, 4}, {1}},
                                                      {{0, 4}, {4}},
                                                      {{3, 1}, {0}},
                                                      {{2, 1, 2, 3, 1, 2, 2, 3}, {3, 4, 1, 2, 1}},
                                                      {{1}, {}}};
  for (const auto& [shape_a, shape_b] : pairs)
    for (const auto& [name_a, a] : layouts(shape_a, DType::float32))
      for (const auto& [name_b, b] : layouts(shape_b, DType::float32, 2)) {
        CAPTURE(to_string(shape_a), to_string(shape_b), name_a, name_b);
        const Shape shape = broadcast_shapes(shape_a, shape_b, "test");
        const Tensor wide_a = kernels::copy(kernels::expand(a, shape));
        const Tensor wide_b = kernels::copy(kernels::expand(b, shape));
        for (const auto& [given, expected] : {std::pair{kernels::sub(a, b), kernels::sub(wide_a, wide_b)},
                                              {kernels::pow(a, b), kernels::pow(wide_a, wide_b)}}) {
          CHECK(given.shape() == shape);
          CHECK(bits(given) == bits(expected));
        }
      }
}

TEST_CASE("a result does not depend on the place of its element, to the last bit", "[tensor][elementwise]") {
  for (const Unary& op : unary)
    for (const DType dtype : dtypes(op.integers)) {
      const Tensor x = values({67}, dtype);
      const auto together = bits(op.kernel(x));
      const auto turned = bits(op.kernel(kernels::window(x, 0, 66, 67, -1)));
      for (std::int64_t i = 0; i < 67; ++i) {
        CAPTURE(op.name, rill::name(dtype), i);
        const auto k = static_cast<std::size_t>(i);
        CHECK(bits(op.kernel(kernels::window(x, 0, i, 1)))[0] == together[k]);
        CHECK(turned[66 - k] == together[k]);
      }
    }
}

TEST_CASE("results are the same with any number of threads", "[tensor][elementwise]") {
  const int before = threads();
  const Tensor x = values({300, 257}, DType::float32), row = values({257}, DType::float32, 1);
  const Tensor turned = kernels::transpose(values({257, 300}, DType::float32), 0, 1);
  const auto compute = [&] {
    return std::vector{bits(kernels::tanh(x)), bits(kernels::mul(x, row)), bits(kernels::add(x, turned)),
                       bits(kernels::copy(turned))};
  };
  set_threads(1);
  const auto alone = compute();
  set_threads(3);
  CHECK(compute() == alone);
  set_threads(before);
}

TEST_CASE("special values go through as in the standard library", "[tensor][elementwise]") {
  for (const DType dtype : dtypes(false)) {
    const double largest =
        dtype == DType::float32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
    const double smallest = dtype == DType::float32 ? std::numeric_limits<float>::denorm_min()
                                                    : std::numeric_limits<double>::denorm_min();
    const double edge = dtype == DType::float32 ? 88.7 : 709.7;  // exp is just below the largest number
    for (const Unary& op : unary)
      for (const double given :
           {0.0, -0.0, infinity, -infinity, not_a_number, largest, -largest, smallest, edge, -1.0, 1e5}) {
        const double x = dtype == DType::float32 ? static_cast<float>(given) : given;
        CAPTURE(op.name, rill::name(dtype), x);
        const std::string name = op.name;
        double expected = std::isnan(x) && name != "isfinite" ? not_a_number : op.expected(x);
        if (dtype == DType::float32) expected = static_cast<float>(expected);
        // Numbers too small for the usual form may come out as 0.
        const bool tiny = std::abs(expected) < (dtype == DType::float32 ? 1.2e-38 : 2.3e-308);
        const double y = apply(op.kernel, x, dtype);
        if (tiny)
          CHECK(std::abs(y) < 2.3e-38);
        else
          CHECK(matches(op.kernel(scalar(x, dtype)), {expected}));
        if (given == 0 &&
            (name == "tanh" || name == "expm1" || name == "log1p" || name == "sin" || name == "erf"))
          CHECK(std::signbit(y) == std::signbit(x));
      }
  }
}

TEST_CASE("float32 and float64 functions are within 4 roundings over their ranges", "[tensor][elementwise]") {
  for (const Unary& op : unary) {
    if (op.integers) continue;
    for (const DType dtype : dtypes(false)) {
      Tensor x = Tensor::empty({4000}, DType::float64);
      for (std::int64_t i = 0; i < x.count(); ++i)
        TensorAccess::raw<double>(x)[i] =
            std::pow(10, static_cast<double>(i / 2 % 800) / 200 - 2.4) * (i % 2 == 0 ? 1 : -0.99);
      x = kernels::cast(x, dtype);
      const auto given = elements<double>(op.kernel(x)), arguments = elements<double>(x);
      const double rounding = dtype == DType::float32 ? 0x1p-23 : 0x1p-52;
      double worst = 0;
      for (std::size_t i = 0; i < given.size(); ++i) {
        const double y = op.expected(arguments[i]);
        if (std::isfinite(y) && std::abs(y) > 1e-30)
          worst = std::max(worst, std::abs(given[i] - y) / std::abs(y));
      }
      CAPTURE(op.name, rill::name(dtype));
      CHECK(worst <= 4.5 * rounding);
    }
  }
}

TEST_CASE("tanh stays within -1 and 1, sigmoid within 0 and 1", "[tensor][elementwise]") {
  for (const DType dtype : dtypes(false)) {
    Tensor x = Tensor::empty({20000}, DType::float64);
    for (std::int64_t i = 0; i < x.count(); ++i)
      TensorAccess::raw<double>(x)[i] = static_cast<double>(i - 10000) / 333;
    x = kernels::cast(x, dtype);
    for (double y : elements<double>(kernels::tanh(x))) REQUIRE(std::abs(y) <= 1);
    for (double y : elements<double>(kernels::sigmoid(x))) REQUIRE((y >= 0 && y <= 1));
  }
}

TEST_CASE("maximum and minimum are NaN where either is", "[tensor][elementwise]") {
  const Tensor a = Tensor::from<float>({1, float_nan, 2}), b = Tensor::from<float>({float_nan, 1, 3});
  CHECK(matches(kernels::maximum(a, b), {not_a_number, not_a_number, 3}));
  CHECK(matches(kernels::minimum(a, b), {not_a_number, not_a_number, 2}));
}

TEST_CASE("pow follows std::pow", "[tensor][elementwise]") {
  for (const auto& [x, y] : {std::pair{0.0, 0.0},
                             {-2.0, 3.0},
                             {-2.0, 0.5},
                             {0.0, -1.0},
                             {2.0, -1.0},
                             {not_a_number, 0.0},
                             {1.0, not_a_number}})
    CHECK(matches(kernels::pow(scalar(x, DType::float64), scalar(y, DType::float64)), {std::pow(x, y)}));
}

TEST_CASE("int64 arithmetic wraps and stays exact", "[tensor][elementwise]") {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Tensor x = Tensor::from<std::int64_t>({most, most - 1});
  CHECK(elements<std::int64_t>(kernels::add(x, 1)) == std::vector<std::int64_t>{-most - 1, most});
  CHECK(elements<std::int64_t>(kernels::clamp(x, 0, infinity)) == std::vector<std::int64_t>{most, most - 1});
  CHECK(elements<std::int64_t>(kernels::clamp(x, -infinity, 5)) == std::vector<std::int64_t>{5, 5});
}

TEST_CASE("where chooses by a condition of any dtype", "[tensor][elementwise]") {
  for (const DType dtype : dtypes(true))
    for (const DType condition_dtype : dtypes(true))
      for (const auto& [name, given] : layouts({2, 21}, condition_dtype)) {
        CAPTURE(name, rill::name(dtype), rill::name(condition_dtype));
        const Tensor condition = kernels::maximum(given, 0);
        const Tensor a = values({2, 21}, dtype, 1), b = values({21}, dtype, 2);
        const auto c = elements<double>(condition);
        auto expected = elements<double>(a);
        const auto other = elements<double>(b);
        for (std::size_t i = 0; i < expected.size(); ++i)
          if (c[i] == 0) expected[i] = other[i % 21];
        CHECK(elements<double>(kernels::where(condition, a, b)) == expected);
      }
  CHECK(elements<float>(kernels::where(Tensor::from<float>({float_nan, 0, 0.25F}), 1,
                                       Tensor::from<float>({7, 8, 9}))) == std::vector<float>{1, 8, 1});
  CHECK(kernels::where(Tensor::from<std::int64_t>({1, 0}), 0.5, scalar(2, DType::float32)).dtype() ==
        DType::float32);
}

TEST_CASE("a number takes the dtype of the tensor it meets", "[tensor][elementwise]") {
  for (const DType dtype : dtypes(true)) {
    const Tensor x = values({2, 5}, dtype);
    CHECK(kernels::mul(x, 2).dtype() == dtype);
    CHECK(kernels::mul(2, kernels::transpose(x, 0, 1)).dtype() == dtype);
    CHECK(bits(kernels::mul(x, 2)) == bits(kernels::mul(x, scalar(2, dtype))));
    CHECK(bits(kernels::sub(2, x)) == bits(kernels::sub(scalar(2, dtype), x)));
  }
  CHECK(kernels::add(scalar(1, DType::float32), 0.5).dtype() == DType::float32);
  CHECK(kernels::add(0.5, Tensor::empty({0}, DType::float32)).dtype() == DType::float32);
}

TEST_CASE("two numbers give a number", "[tensor][elementwise]") {
  const Tensor whole = kernels::add(Tensor(1), Tensor(2)), mixed = kernels::add(Tensor(1), Tensor(0.5));
  CHECK(whole.dtype() == DType::int64);
  CHECK(mixed.dtype() == DType::float64);
  CHECK(mixed.item() == 1.5);
  CHECK(kernels::mul(values({3}, DType::float32), mixed).dtype() == DType::float32);
  CHECK(kernels::mul(values({3}, DType::float32), kernels::exp(mixed)).dtype() == DType::float32);
  CHECK(
      kernels::mul(values({3}, DType::float32), kernels::where(values({3}, DType::float32), 1, 0)).dtype() ==
      DType::float32);
}

TEST_CASE("elementwise kernels name what does not fit", "[tensor][elementwise]") {
  const Tensor x = values({2, 3}, DType::float32), d = values({3}, DType::float64),
               n = values({3}, DType::int64);
  CHECK_THROWS_WITH(kernels::add(x, d), "add: float32 [2, 3] and float64 [3]: the dtypes differ; cast one");
  CHECK_THROWS_AS(kernels::add(x, scalar(1, DType::float64)), DTypeError);
  CHECK_THROWS_WITH(kernels::mul(n, 0.5),
                    "mul: int64 [3] and a floating number: cast the tensor to a floating dtype");
  CHECK_THROWS_AS(kernels::mul(0.5, n), DTypeError);
  CHECK_THROWS_WITH(kernels::exp(n), "exp: int64 [3]: expected a floating dtype; cast it");
  CHECK_THROWS_AS(kernels::div(n, n), DTypeError);
  CHECK_THROWS_AS(kernels::div(n, 2), DTypeError);
  CHECK_THROWS_AS(kernels::pow(n, n), DTypeError);
  CHECK_THROWS_WITH(kernels::add(x, values({4}, DType::float32)),
                    "add: shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 differ on axis -1");
  CHECK_THROWS_WITH(kernels::clamp(x, 2, 1), "clamp: the lower bound 2 is not at most the upper 1");
  CHECK_THROWS_AS(kernels::clamp(x, not_a_number, 1), ValueError);
  CHECK_THROWS_WITH(kernels::clamp(n, 0.5, 1),
                    "clamp: the bound 0.5 of an int64 tensor is not a whole number");
  CHECK_THROWS_AS(kernels::add(x, Tensor()), ValueError);
  CHECK_THROWS_AS(kernels::where(Tensor(), x, x), ValueError);
  CHECK_THROWS_AS(kernels::neg(Tensor()), ValueError);
}

TEST_CASE("a result keeps the memory order that its operands share", "[tensor][elementwise]") {
  const Tensor steps =
      kernels::permute(values({5, 3, 17}, DType::float32), {1, 0, 2});  // [batch, time, hidden]
  const Tensor row = values({17}, DType::float32);
  for (const Tensor& y : {kernels::tanh(steps), kernels::add(steps, steps), kernels::mul(steps, 2),
                          kernels::mul(0.5, steps), kernels::add(steps, row),
                          kernels::mul(kernels::expand(values({3, 1, 1}, DType::float32), {3, 5, 17}), steps),
                          kernels::cast(steps, DType::float64), kernels::where(steps, steps, 0)}) {
    CHECK(y.shape() == Shape{3, 5, 17});
    CHECK(y.strides() == steps.strides());
  }
  CHECK(kernels::exp(kernels::window(values({5, 34}, DType::float32), 1, 4, 17)).is_contiguous());
  CHECK(kernels::exp(kernels::window(values({5, 17}, DType::float32), 0, 4, 5, -1)).is_contiguous());
  CHECK(kernels::add(kernels::expand(row, {5, 17}), row).is_contiguous());
}

TEST_CASE("all_finite finds one value among many", "[tensor][elementwise]") {
  for (const DType dtype : dtypes(false))
    for (const std::int64_t n : {1, 15, 1024, 5000})
      for (const std::int64_t place : {std::int64_t{0}, n / 2, n - 1})
        for (const double value : {not_a_number, infinity, -infinity}) {
          const Tensor x = values({n}, dtype);
          CHECK(kernels::all_finite(x));
          kernels::fill(kernels::window(x, 0, place, 1), value);
          CHECK_FALSE(kernels::all_finite(x));
        }
  CHECK(kernels::all_finite(kernels::full({4096}, 3e38, DType::float32)));
  CHECK(kernels::all_finite(values({3}, DType::int64)));
  CHECK(kernels::all_finite(Tensor::empty({0})));
  const Tensor x = values({4, 6}, DType::float32);
  kernels::fill(kernels::window(x, 1, 2, 1), not_a_number);
  CHECK_FALSE(kernels::all_finite(kernels::transpose(x, 0, 1)));
  CHECK(kernels::all_finite(kernels::window(x, 1, 3, 3)));
}

TEST_CASE("accumulate adds in place where nobody else looks on", "[tensor][elementwise]") {
  for (const auto& [name, y] : layouts({3, 5, 7}, DType::float32, 2)) {
    CAPTURE(name);
    Tensor x = kernels::permute(values({5, 3, 7}, DType::float32), {1, 0, 2});
    const auto expected = bits(kernels::add(x, y));
    const float* place = TensorAccess::data<float>(x);
    kernels::accumulate(x, y);
    CHECK(TensorAccess::data<float>(x) == place);
    CHECK(bits(x) == expected);

    const Tensor watcher = x;
    const auto before = bits(watcher);
    kernels::accumulate(x, y);
    CHECK(bits(watcher) == before);
    CHECK(bits(x) == bits(kernels::add(watcher, y)));
  }
}

TEST_CASE("accumulate broadcasts to the first and no further", "[tensor][elementwise]") {
  Tensor x = Tensor::from<double>({1, 2, 3, 4}, {2, 2});
  kernels::accumulate(x, Tensor::from<double>({10, 20}));
  kernels::accumulate(x, 1);
  kernels::accumulate(x, x);
  CHECK(elements<double>(x) == std::vector<double>{24, 46, 28, 50});

  Tensor broadcast = kernels::expand(Tensor::from<double>({1, 2}), {2, 2});
  kernels::accumulate(broadcast, x);
  CHECK(elements<double>(broadcast) == std::vector<double>{25, 48, 29, 52});

  Tensor small = Tensor::from<double>({1, 2});
  CHECK_THROWS_WITH(kernels::accumulate(small, x), "accumulate: shape [2, 2] does not broadcast to [2]");
  CHECK_THROWS_AS(kernels::accumulate(small, values({2}, DType::float32)), DTypeError);
  CHECK(elements<double>(small) == std::vector<double>{1, 2});
}

TEST_CASE("one result is written where it is to lie: the first of that shape and dtype",
          "[tensor][elementwise]") {
  const Tensor memory = kernels::full({3, 2}, -1, DType::float32);
  const auto row = [&](std::int64_t i) { return kernels::squeeze(kernels::window(memory, 0, i, 1), 0); };
  const auto lies_in = [&](const Tensor& x) {
    return TensorAccess::body(x).storage == TensorAccess::body(memory).storage;
  };
  const Tensor pair = kernels::full({2}, 3, DType::float32);
  {
    const simd::OutputPlace first(row(0));
    CHECK_FALSE(lies_in(kernels::neg(kernels::full({3}, 3, DType::float32))));
    CHECK_FALSE(lies_in(kernels::neg(kernels::full({2}, 3, DType::float64))));
    {
      const simd::OutputPlace second(row(2));
      CHECK(lies_in(kernels::neg(pair)));
    }
    CHECK(lies_in(kernels::add(pair, pair)));
    CHECK_FALSE(lies_in(kernels::add(pair, pair)));
    const simd::OutputPlace unused(row(1));
  }
  CHECK_FALSE(lies_in(kernels::add(pair, pair)));
  CHECK(elements<float>(memory) == std::vector<float>{6, 6, -1, -1, -3, -3});
}
