// The values of operations that are more than one kernel. Those of the kernels are tested in tests/tensor.

#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor numbers(std::initializer_list<double> values) { return tensor(values, DType::float64); }

void check(const Tensor& y, const std::vector<double>& expected) {
  const auto found = y.to_vector<double>();
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]).margin(1e-15));
}

const Tensor table = tensor({{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}}, DType::int64);

}  // namespace

TEST_CASE("activations", "[autograd][ops]") {
  const Tensor x = numbers({-1.5, 0, 2});
  check(leaky_relu(x, 0.1), {-0.15, 0, 2});
  check(elu(x, 2), {2 * (std::exp(-1.5) - 1), 0, 2});
  check(gelu(x), {-1.5 * 0.06680720126885807, 0, 2 * 0.9772498680518208});
  check(elu(numbers({1000})), {1000});
}

TEST_CASE("reductions over some axes, over all, and with the axes kept", "[autograd][ops]") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 9}}, DType::float64);
  check(sum(x), {24});
  check(sum(x, 0), {5, 7, 12});
  check(sum(x, {0, 1}), {24});
  check(mean(x, -1), {2, 6});
  CHECK(sum(x).shape() == Shape{});
  CHECK(sum(x, 1, {.keepdims = true}).shape() == Shape{2, 1});
  CHECK(sum(x, {}, {.keepdims = true}).shape() == Shape{1, 1});
  check(variance(x, 1), {1, 7});
  check(variance(x, 1, {.correction = 0}), {2.0 / 3, 14.0 / 3});
  check(standard_deviation(x, 1), {1, std::sqrt(7)});
  check(norm(x, 0), {std::sqrt(17), std::sqrt(29), std::sqrt(90)});
  CHECK(variance(x, 0, {.correction = 0, .keepdims = true}).shape() == Shape{1, 3});
  check(logsumexp(x, 1),
        {3 + std::log1p(std::exp(-1) + std::exp(-2)), 9 + std::log1p(std::exp(-4) + std::exp(-5))});
}

TEST_CASE("slices follow NumPy", "[autograd][ops]") {
  const Tensor x = numbers({0, 1, 2, 3, 4});
  check(slice(x, 0, {1, 3}), {1, 2});
  check(slice(x, 0, {-2, 100}), {3, 4});
  check(slice(x, 0, {.stop = -3}), {0, 1});
  check(slice(x, 0, {.step = 2}), {0, 2, 4});
  check(slice(x, 0, {.step = -1}), {4, 3, 2, 1, 0});
  check(slice(x, 0, {3, 0, -2}), {3, 1});
  check(slice(x, 0, {100, {}, -2}), {4, 2, 0});
  check(slice(x, 0, {.start = -100, .stop = 2}), {0, 1});
  check(slice(x, 0, {3, 1}), {});
  check(slice(x, 0, {7, 9}), {});
  check(slice(x, 0, {-9, -7}), {});
  check(slice(x, 0, {.step = INT64_MIN}), {4});
  check(slice(x, 0, {.step = INT64_MAX}), {0});
  check(slice(table, {1}), {4, 5, 6, 7});
  check(slice(table, {{}, -1}), {3, 7, 11});
  check(slice(table, {{0, 2}, {1, 3}}), {1, 2, 5, 6});
  check(slice(table, {Range{.step = 2}, Range{.start = 3}}), {3, 11});
  check(slice(table, {1, 2}), {6});
  CHECK(slice(table, {}).shape() == table.shape());
}

TEST_CASE("taking apart and joining", "[autograd][ops]") {
  check(concat(split(table, 2), -1), table.to_vector<double>());
  check(concat(split(table, {1, 0, 3}), 1), table.to_vector<double>());
  check(stack(unbind(table, 1), 1), table.to_vector<double>());
  const auto [left, right] = split<2>(table);
  check(right, {2, 3, 6, 7, 10, 11});
  CHECK(left.shape() == Shape{3, 2});
  CHECK(split(table, {3}, 0).size() == 1);
  CHECK(split(table, 3, 0).size() == 3);
  check(unslice(numbers({1, 2}), {5}, 0, 3, -2), {0, 2, 0, 1, 0});
}

TEST_CASE("products of vectors, matrices and batches", "[autograd][ops]") {
  const Tensor a = numbers({1, 2}), b = numbers({3, 4});
  const Tensor m = tensor({{1, 2}, {3, 4}}, DType::float64);
  check(matmul(a, b), {11});
  check(matmul(m, a), {5, 11});
  check(matmul(a, m), {7, 10});
  check(matmul(a, stack({m, m * 2})), {7, 10, 14, 20});
  check(outer(a, b), {3, 4, 6, 8});
  check(matmul_add(m, m, a), {8, 12, 16, 24});
  check(matmul_add(a, m, 1), {8, 11});
  check(matmul_add(stack({m, m}), m, tensor({{1, 1}, {2, 2}}, DType::float64)),
        {8, 11, 17, 24, 8, 11, 17, 24});
}

TEST_CASE("numbers take the dtype of the tensor", "[autograd][ops]") {
  const Tensor x = tensor({1, 2});
  CHECK((x * 2 + 0.5).dtype() == DType::float32);
  CHECK((1 - cast(x, DType::float64)).dtype() == DType::float64);
  CHECK((table + 1).dtype() == DType::int64);
  CHECK(pow(x, 2).dtype() == DType::float32);
  CHECK(where(x > 1, x, 0).dtype() == DType::float32);
  CHECK(maximum(x, 1.5).dtype() == DType::float32);
}

TEST_CASE("in-place operators give a new value to one name", "[autograd][ops]") {
  const Tensor x = numbers({1, 2});
  Tensor y = x;
  y += 1;
  y *= y;
  y -= x;
  y /= 2;
  check(y, {1.5, 3.5});
  check(x, {1, 2});
}
