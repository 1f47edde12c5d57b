// Sums of so many float32 numbers that adding one after the other would lose what is asked for here: a
// relative error of 1e-6.

#include "rill/rill.h"
#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/kernels/matmul.h"
#include "tests/catch.h"

using namespace rill;

namespace {

constexpr std::int64_t many = 10'000'000;
constexpr double tenth = 0.1F;

auto near(double value) { return Approx(value).epsilon(1e-6).margin(0); }

Tensor tenths(const Shape& shape) { return full(shape, 0.1); }

}  // namespace

TEST_CASE("cumsum of many float32 numbers is right to 1e-6", "[tensor][sums]") {
  const auto sums = cumsum(tenths({many}), 0).to_vector<float>();
  for (const std::int64_t place : {many / 1000, many / 2, many - 1})
    CHECK(sums[static_cast<std::size_t>(place)] == near(static_cast<double>(place + 1) * tenth));
  const Tensor columns = cumsum(expand(unsqueeze(tensor({0.1, 0.3}), 0), {many / 4, 2}), 0);
  CHECK(select(select(columns, 0, -1), 0, 0).item() == near(many / 4 * tenth));
  CHECK(select(select(columns, 0, -1), 0, 1).item() == near(many / 4 * static_cast<double>(0.3F)));
  Tape tape;
  const Tensor x = tape.watch(ones({many}));
  const Tensor g = tape.gradient({cumsum(x, 0), tenths({many})}, x);
  CHECK(select(g, 0, 0).item() == near(many * tenth));
  CHECK(select(g, 0, many / 2).item() == near(many / 2 * tenth));
}

TEST_CASE("many float32 numbers added at one place are right to 1e-6", "[tensor][sums]") {
  const Tensor x = tenths({many});
  const Tensor places = cast(arange(many) < many / 4, DType::int64);  // a quarter goes to 1
  const Tensor added = index_add(x, {3}, 0, places);
  CHECK(select(added, 0, 0).item() == near(many / 4 * 3 * tenth));
  CHECK(select(added, 0, 1).item() == near(many / 4 * tenth));
  CHECK(select(added, 0, 2).item() == 0);
  const Tensor scattered = scatter_add(ones({2}), 0, places, x);
  CHECK(select(scattered, 0, 0).item() == near(many / 4 * 3 * tenth + 1));
  CHECK(select(scattered, 0, 1).item() == near(many / 4 * tenth + 1));

  Tape tape;
  const Tensor table = tape.watch(ones({2}));
  CHECK(select(tape.gradient({index_select(table, 0, places), x}, table), 0, 0).item() ==
        near(many / 4 * 3 * tenth));
  CHECK(select(tape.gradient({gather(table, 0, places), x}, table), 0, 1).item() == near(many / 4 * tenth));
}

TEST_CASE("rows that meet at one place add up as rows, along any axis", "[tensor][sums]") {
  const Tensor places = tensor({1, 1, 1, 1, 1, 1, 2}, DType::int64);
  const Tensor x = reshape(arange(0, 28), {2, 7, 2});
  const Tensor added = index_add(x, {2, 3, 2}, 1, places);
  CHECK(added.to_vector<float>() == std::vector<float>{0, 0, 30, 36, 12, 13, 0, 0, 114, 120, 26, 27});
}

TEST_CASE("sums and means of many float32 numbers are right to 1e-6 over any axes", "[tensor][sums]") {
  const Tensor column = tenths({many, 1}), wide = tenths({many / 4, 3}), row = tenths({1, many});
  CHECK(sum(column).item() == near(many * tenth));
  CHECK(sum(row, 1).item() == near(many * tenth));
  CHECK(max(abs(sum(wide, 0) - many / 4 * tenth)).item() < 1e-6 * many / 4 * tenth);
  CHECK(max(abs(sum(transpose(wide), 1) - many / 4 * tenth)).item() < 1e-6 * many / 4 * tenth);
  CHECK(max(abs(mean(wide, 0) - tenth)).item() < 1e-6 * tenth);
  CHECK(mean(column).item() == near(tenth));
  CHECK(norm(column).item() == near(std::sqrt(many) * tenth));
  CHECK(variance(concat({tenths({many / 2}), tenths({many / 2}) * 3}), {}, {.correction = 0}).item() ==
        near(tenth * tenth));
  CHECK(logsumexp(tenths({many})).item() == near(std::log(many) + tenth));
}

TEST_CASE("products of long rows and columns are right to 1e-6", "[tensor][matmul][sums]") {
  CHECK(matmul(ones({2 * many}), ones({2 * many})).item() == near(2 * many));
  CHECK(matmul(tenths({many}), ones({many})).item() == near(many * tenth));
  CHECK(matmul(tenths({1, many}), ones({many, 1})).item() == near(many * tenth));
  const std::int64_t k = many / 10;
  const auto all_near = [](const Tensor& x, double value) {
    return max(abs(x - value)).item() < 1e-6 * value;
  };
  for (const auto& [m, n] : {std::pair<std::int64_t, std::int64_t>{3, 1}, {1, 3}, {2, 5}, {20, 3}}) {
    CAPTURE(m, n);
    CHECK(all_near(matmul(tenths({m, k}), ones({k, n})), k * tenth));
    CHECK(all_near(matmul(transpose(tenths({k, m})), transpose(ones({n, k}))), k * tenth));
    CHECK(all_near(matmul_add(tenths({m, k}), ones({k, n}), ones({n})), k * tenth + 1));
  }
  CHECK(all_near(matmul(ones({20, k / 4}), ones({k / 4, 18})), k / 4));
}

TEST_CASE("every backend multiplies long rows and columns right", "[tensor][matmul][sums]") {
  const std::int64_t k = 1'000'000;
  const Tensor a = tenths({20, k}), b = ones({k, 17});
  for (const auto& backend : rill::gemm::backends()) {
    CAPTURE(backend.name);
    for (const std::int64_t n : {1, 17}) {
      std::vector<float> c(static_cast<std::size_t>(20 * n), 1);
      rill::gemm::multiply_long(
          backend, {20, n, k, {a.span<float>().data(), k}, {b.span<float>().data(), n}, c.data(), n, true});
      for (const float element : c) CHECK(element == Approx(k * tenth + 1).epsilon(n == 1 ? 1e-6 : 4e-6));
    }
  }
}

TEST_CASE("gradients that many rows add up to are right to 1e-6", "[autograd][sums]") {
  const std::int64_t rows = many / 5;
  const auto weight_gradient = [&](std::int64_t in, std::int64_t out) {
    Tape tape;
    const Tensor w = tape.watch(ones({in, out}));
    const Tensor bias = tape.watch(ones({out}));
    const Tensor y = matmul_add(tenths({rows, in}), w, bias);
    const auto g = tape.gradient({y, expand(ones({}), y.shape())}, {w, bias});
    return std::max(max(abs(g[0] / (rows * tenth) - 1)).item(), max(abs(g[1] / double(rows) - 1)).item());
  };
  CHECK(weight_gradient(1, 1) < 1e-6);
  CHECK(weight_gradient(4, 1) < 1e-6);
  CHECK(weight_gradient(1, 4) < 1e-6);
  Tape tape;
  const Tensor bias = tape.watch(ones({2}));
  const Tensor y = fused([](auto v, auto b) { return v * b; }, tenths({rows, 2}), bias);
  CHECK(max(abs(tape.gradient({y, ones(y.shape())}, bias) / (rows * tenth) - 1)).item() < 2e-6);
}

TEST_CASE("a long sum does not depend on the number of threads", "[tensor][threads][sums]") {
  const int before = threads();
  const Tensor x = uniform({200'000, 5}), y = uniform({200'000, 3});
  const auto all = [&] {
    return concat({reshape(matmul(transpose(x), y), {15}), sum(x, 0),
                   reshape(slice(cumsum(y, 0), 0, {-1, 200'000}), {3})})
        .to_vector<float>();
  };
  set_threads(1);
  const auto one = all();
  set_threads(3);
  CHECK(all() == one);
  set_threads(before);
}
