#include "rill/tensor/kernels/matmul.h"
#include "rill/tensor/create.h"
#include "rill/tensor/kernels/views.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/kernels/panels.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/threads.h"
#include "tests/catch.h"

using rill::DType;
using rill::Shape;
using rill::Tensor;
using rill::kernels::matmul;
using rill::kernels::matmul_add;
using rill::kernels::sum_of_products;
using rill::kernels::transpose;
using rill::kernels::window;

namespace {

std::mt19937& generator() {
  static std::mt19937 g(7);
  return g;
}

Tensor random(const Shape& shape, DType dtype = DType::float32) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> values(static_cast<std::size_t>(rill::count(shape)));
  for (auto& v : values) v = uniform(generator());
  return rill::kernels::cast(Tensor::from(values, shape), dtype);
}

/// As a parameter hands out its value.
Tensor as_weight(const Tensor& x) {
  const auto& body = rill::detail::TensorAccess::body(x);
  Tensor alias = rill::detail::TensorAccess::view(x, body.offset, body.shape, body.strides);
  rill::detail::TensorAccess::mutable_body(alias).reused = true;
  return alias;
}

/// The product of two matrices by its definition.
std::vector<double> product_of(const Tensor& a, const Tensor& b) {
  const auto m = a.size(0), k = a.size(1), n = b.size(1);
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  std::vector<double> z(static_cast<std::size_t>(m * n), 0);
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t l = 0; l < k; ++l)
      for (std::int64_t j = 0; j < n; ++j)
        z[static_cast<std::size_t>(i * n + j)] +=
            x[static_cast<std::size_t>(i * k + l)] * y[static_cast<std::size_t>(l * n + j)];
  return z;
}

double largest_difference(const Tensor& x, const std::vector<double>& expected) {
  const auto values = x.to_vector<double>();
  if (values.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double difference = std::abs(values[i] - expected[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

double tolerance(DType dtype, std::int64_t k) {
  return (dtype == DType::float32 ? 2e-7 : 1e-15) * static_cast<double>(k + 4);
}

/// Matrices [rows, columns] of every kind of layout.
std::vector<Tensor> layouts(std::int64_t rows, std::int64_t columns, DType dtype) {
  std::vector<Tensor> all{
      random({rows, columns}, dtype),
      transpose(random({columns, rows}, dtype), 0, 1),
      window(window(random({rows + 3, columns + 5}, dtype), 0, 2, rows), 1, 4, columns),
      transpose(window(random({columns, rows + 2}, dtype), 1, 1, rows), 0, 1),
      window(random({rows, 2 * columns}, dtype), 1, 0, columns, 2),
      rill::kernels::expand(random({1, columns}, dtype), {rows, columns}),
  };
  if (rows > 0) all.push_back(window(random({rows, columns}, dtype), 0, rows - 1, rows, -1));
  return all;
}

struct Size {
  std::int64_t m, n, k;
};
const std::vector<Size> sizes{{1, 1, 1},      {2, 4, 3},      {1, 7, 5},      {5, 1, 7},    {8, 8, 8},
                              {17, 3, 33},    {32, 10, 32},   {1, 300, 64},   {40, 96, 20}, {33, 257, 65},
                              {300, 130, 40}, {70, 520, 600}, {130, 260, 510}};

bool same_bits(const Tensor& a, const Tensor& b) { return a.to_vector<double>() == b.to_vector<double>(); }

struct ThreadsRestored {
  int before = rill::threads();
  ~ThreadsRestored() { rill::set_threads(before); }
};

}  // namespace

TEST_CASE("matmul follows its definition for every size, layout and dtype", "[tensor][matmul]") {
  for (DType dtype : {DType::float32, DType::float64})
    for (const auto& [m, n, k] : sizes) {
      const auto lefts = layouts(m, k, dtype), rights = layouts(k, n, dtype);
      for (std::size_t i = 0; i < lefts.size(); ++i)
        for (std::size_t j = 0; j < rights.size(); ++j) {
          if (m * n * k > 100'000 && i != j && i != 0 && j != 0) continue;
          INFO(rill::name(dtype) << " [" << m << ", " << k << "] x [" << k << ", " << n << "] layouts " << i
                                 << ", " << j);
          const auto expected = product_of(lefts[i], rights[j]);
          const Tensor result = matmul(lefts[i], rights[j]);
          REQUIRE(result.shape() == Shape{m, n});
          REQUIRE(result.dtype() == dtype);
          REQUIRE(largest_difference(result, expected) < tolerance(dtype, k));
          REQUIRE(largest_difference(matmul(lefts[i], as_weight(rights[j])), expected) < tolerance(dtype, k));
        }
    }
}

TEST_CASE("every backend multiplies and accumulates in every orientation", "[tensor][matmul]") {
  const auto check = [](auto zero, auto call, DType dtype) {
    using T = decltype(zero);
    for (const auto& [m, n, k] : sizes)
      for (bool a_transposed : {false, true})
        for (bool b_transposed : {false, true})
          for (bool accumulate : {false, true}) {
            const Tensor a = random(a_transposed ? Shape{k, m + 1} : Shape{m, k + 1}, dtype);
            const Tensor b = random(b_transposed ? Shape{n, k + 1} : Shape{k, n + 1}, dtype);
            const Tensor before = random({m, n + 2}, dtype);
            Tensor c = rill::kernels::copy(before);
            call(rill::gemm::Product<T>{m,
                                        n,
                                        k,
                                        {a.span<T>().data(), a.size(1), a_transposed},
                                        {b.span<T>().data(), b.size(1), b_transposed},
                                        c.mutable_span<T>().data(),
                                        n + 2,
                                        accumulate});
            const Tensor left = a_transposed ? transpose(window(a, 1, 0, m), 0, 1) : window(a, 1, 0, k);
            const Tensor right = b_transposed ? transpose(window(b, 1, 0, k), 0, 1) : window(b, 1, 0, n);
            auto expected = product_of(left, right);
            const Tensor old_part = window(before, 1, 0, n);
            const std::vector<double> old = old_part.to_vector<double>();
            for (std::size_t i = 0; accumulate && i < expected.size(); ++i) expected[i] += old[i];
            REQUIRE(largest_difference(window(c, 1, 0, n), expected) < tolerance(dtype, k));
            REQUIRE(same_bits(window(c, 1, n, 2), window(before, 1, n, 2)));
          }
  };
  for (const auto& backend : rill::gemm::backends()) {
    INFO(backend.name);
    check(0.0f, backend.float32, DType::float32);
    check(0.0, backend.float64, DType::float64);
  }
  CHECK(std::string(rill::kernels::matmul_backend()) == rill::gemm::backends().front().name);
}

TEST_CASE("matmul broadcasts leading axes", "[tensor][matmul]") {
  struct Case {
    Shape a, b, result;
  };
  const std::vector<Case> cases{{{5, 3, 4}, {4, 6}, {5, 3, 6}},
                                {{2, 5, 3, 4}, {4, 6}, {2, 5, 3, 6}},
                                {{3, 4}, {5, 4, 6}, {5, 3, 6}},
                                {{5, 3, 4}, {5, 4, 6}, {5, 3, 6}},
                                {{2, 1, 3, 4}, {5, 4, 6}, {2, 5, 3, 6}},
                                {{2, 5, 3, 4}, {2, 1, 4, 6}, {2, 5, 3, 6}},
                                {{3, 40, 60}, {3, 60, 200}, {3, 40, 200}},
                                {{200, 9, 8}, {200, 8, 10}, {200, 9, 10}}};
  for (const auto& [a_shape, b_shape, shape] : cases)
    for (bool swapped : {false, true}) {
      // Swapped, the leading axes of a lie inside its rows.
      const Tensor a = swapped && a_shape.size() == 3
                           ? transpose(random({a_shape[1], a_shape[0], a_shape[2]}), 0, 1)
                           : random(a_shape);
      const Tensor b = random(b_shape);
      INFO(rill::to_string(a_shape) << " x " << rill::to_string(b_shape));
      const Tensor result = matmul(a, b);
      REQUIRE(result.shape() == shape);
      Shape batch(shape.begin(), shape.end() - 2);
      Shape full_a = batch, full_b = batch;
      for (int i = 2; i > 0; --i) {
        full_a.push_back(a_shape[a_shape.size() - i]);
        full_b.push_back(b_shape[b_shape.size() - i]);
      }
      const auto products = rill::count(batch);
      const auto stack = [&](const Tensor& x, const Shape& full) {
        return rill::kernels::reshape(rill::kernels::expand(x, full),
                                      {products, full[full.size() - 2], full.back()});
      };
      const Tensor as = stack(a, full_a), bs = stack(b, full_b), results = stack(result, shape);
      const auto one = [](const Tensor& x, std::int64_t i) {
        return rill::kernels::squeeze(window(x, 0, i, 1), 0);
      };
      for (std::int64_t i = 0; i < products; ++i)
        REQUIRE(largest_difference(one(results, i), product_of(one(as, i), one(bs, i))) < 1e-4);
    }
}

TEST_CASE("matmul takes a vector for a row on the left and a column on the right", "[tensor][matmul]") {
  const Tensor v = Tensor::from<float>({1, 2, 3}), m = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  CHECK(matmul(v, m).shape() == Shape{2});
  CHECK(matmul(v, m).to_vector<float>() == std::vector<float>{22, 28});
  CHECK(matmul(transpose(m, 0, 1), v).to_vector<float>() == std::vector<float>{22, 28});
  CHECK(matmul(v, v).shape() == Shape{});
  CHECK(matmul(v, v).item() == 14);
  CHECK(matmul(random({4, 5, 3}), v).shape() == Shape{4, 5});
  CHECK(matmul(v, random({4, 3, 2})).shape() == Shape{4, 2});
  const Tensor column = rill::kernels::squeeze(window(m, 1, 1, 1), 1);  // 2, 4, 6, not dense
  CHECK(matmul(column, v).item() == 28);
  CHECK(matmul(column, m).to_vector<float>() == std::vector<float>{44, 56});
}

TEST_CASE("an empty inner axis gives zeros, an empty outer one nothing", "[tensor][matmul]") {
  CHECK(matmul(random({2, 0}), random({0, 3})).to_vector<float>() == std::vector<float>(6, 0));
  CHECK(matmul(random({0, 4}), random({4, 3})).shape() == Shape{0, 3});
  CHECK(matmul(random({4, 3}), random({3, 0})).shape() == Shape{4, 0});
  CHECK(matmul(random({0, 2, 3}), random({3, 5})).shape() == Shape{0, 2, 5});
  CHECK(matmul(random({7, 2, 0}), random({7, 0, 5})).to_vector<float>() == std::vector<float>(70, 0));
  const Tensor c = random({3});
  CHECK(same_bits(matmul_add(random({2, 0}), random({0, 3}), c), rill::kernels::expand(c, {2, 3})));
  CHECK(sum_of_products({{random({0, 2}), random({0, 3})}}).to_vector<float>() == std::vector<float>(6, 0));
}

TEST_CASE("matmul_add adds a matrix, a row, a column or a number", "[tensor][matmul]") {
  for (DType dtype : {DType::float32, DType::float64})
    for (const auto& [m, n, k] : sizes) {
      const Tensor a = random({m, k}, dtype), b = random({k, n}, dtype);
      for (const Tensor& c :
           {random({m, n}, dtype), random({n}, dtype), random({1, n}, dtype), random({m, 1}, dtype),
            random({}, dtype), transpose(random({n, m}, dtype), 0, 1), Tensor(2.5)}) {
        auto expected = product_of(a, b);
        const auto added =
            rill::kernels::cast(rill::kernels::expand(c, {m, n}), DType::float64).to_vector<double>();
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += added[i];
        const Tensor before = rill::kernels::copy(c);
        REQUIRE(largest_difference(matmul_add(a, b, c), expected) < tolerance(dtype, k));
        REQUIRE(largest_difference(matmul_add(a, as_weight(b), c), expected) < tolerance(dtype, k));
        REQUIRE(same_bits(c, before));
      }
    }
}

TEST_CASE("sum_of_products sums over the rows of all pairs", "[tensor][matmul]") {
  for (DType dtype : {DType::float32, DType::float64})
    for (std::int64_t rows : {1, 5, 32, 40, 700})
      for (const auto& [m, n] :
           std::vector<std::pair<std::int64_t, std::int64_t>>{{3, 2}, {20, 40}, {300, 130}}) {
        if (rows > 100 && m > 100) continue;
        // Pairs of their own, windows of one tensor in rising and in falling order, and mixed layouts.
        const Tensor lefts = random({4 * rows, m}, dtype), rights = random({4 * rows, n + 1}, dtype);
        const Tensor across = transpose(random({m, rows}, dtype), 0, 1);
        std::vector<std::vector<std::pair<Tensor, Tensor>>> lists(4);
        for (std::int64_t i = 0; i < 4; ++i) {
          lists[0].push_back({random({rows, m}, dtype), random({rows, n}, dtype)});
          const Tensor right = window(window(rights, 0, i * rows, rows), 1, 1, n);
          lists[1].push_back({window(lefts, 0, i * rows, rows), right});
          lists[2].insert(lists[2].begin(), lists[1].back());
          lists[3].push_back(i % 2 ? std::pair(across, right) : lists[1].back());
        }
        for (const auto& pairs : lists) {
          std::vector<double> expected(static_cast<std::size_t>(m * n), 0);
          for (const auto& [left, right] : pairs) {
            const auto one = product_of(transpose(left, 0, 1), right);
            for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += one[i];
          }
          const Tensor sum = sum_of_products(pairs);
          REQUIRE(sum.shape() == Shape{m, n});
          REQUIRE(largest_difference(sum, expected) < tolerance(dtype, 4 * rows));
        }
      }
}

TEST_CASE("sum_of_products takes more rows than it copies at a time", "[tensor][matmul]") {
  const Tensor lefts = random({4505, 520}), rights = random({4505, 530});
  std::vector<std::pair<Tensor, Tensor>> pairs;
  for (std::int64_t i = 0; i < 5; ++i)
    pairs.emplace_back(rill::kernels::copy(window(lefts, 0, i * 901, 901)), window(rights, 0, i * 901, 901));
  const auto exact = [](const Tensor& x) { return rill::kernels::cast(x, DType::float64); };
  const Tensor expected = matmul(transpose(exact(lefts), 0, 1), exact(rights));
  CHECK(largest_difference(sum_of_products(pairs), expected.to_vector<double>()) <
        tolerance(DType::float32, 4505));
  for (auto& [left, right] : pairs) left = exact(left), right = exact(right);
  CHECK(largest_difference(sum_of_products(pairs), expected.to_vector<double>()) <
        tolerance(DType::float64, 4505));
}

TEST_CASE("sum_of_products reads rows where they lie, near together or pages apart", "[tensor][matmul]") {
  constexpr std::int64_t rows = 60, m = 40, n = 1024;
  const Tensor left = random({3 * rows, m});
  const Tensor dense = random({3 * rows, n}),
               padded = rill::kernels::empty_matrix({3 * rows, n}, DType::float32);
  rill::kernels::copy_into(dense, padded);
  CHECK(dense.strides()[0] == n);
  CHECK(padded.strides()[0] > n);
  const auto expected = product_of(transpose(left, 0, 1), dense);
  for (const Tensor& right : {dense, padded}) {
    std::vector<std::pair<Tensor, Tensor>> pairs;
    for (std::int64_t i = 2; i >= 0; --i)
      pairs.emplace_back(window(left, 0, i * rows, rows), window(right, 0, i * rows, rows));
    CHECK(largest_difference(sum_of_products(pairs), expected) < tolerance(DType::float32, 3 * rows));
    for (auto& pair : pairs) pair.first = rill::kernels::copy(pair.first);
    CHECK(largest_difference(sum_of_products(pairs), expected) < tolerance(DType::float32, 3 * rows));
  }
}

TEST_CASE("panels follow each other, cover all columns and become narrower within each half",
          "[tensor][matmul]") {
  for (std::int64_t columns = 1; columns < 5000; columns += columns < 700 ? 1 : 61)
    for (const auto& [panels, granule] :
         {std::pair(rill::gemm::panels_of<float>(columns), 16),
          std::pair(rill::gemm::panels_of<rill::gemm::Bfloat16>(columns), 64)}) {
      CAPTURE(columns, granule, panels.count());
      std::int64_t end = 0;
      int halves = 1;
      for (std::int64_t panel = 0; panel < panels.count(); ++panel) {
        if (panel > 0 && panels.size(panel) > panels.size(panel - 1)) ++halves;
        REQUIRE(panels.begin(panel) == end);
        REQUIRE(end % granule == 0);
        REQUIRE(panels.size(panel) > 0);
        REQUIRE(panels.size(panel) <= panels.size(0));
        end += panels.size(panel);
      }
      REQUIRE(end == columns);
      REQUIRE(halves <= 2);
      REQUIRE(panels.size(0) <= 288);
    }
  const auto panels = rill::gemm::panels_of<float>(1024);
  std::vector<std::int64_t> widths;
  for (std::int64_t panel = 0; panel < panels.count(); ++panel) widths.push_back(panels.size(panel));
  CHECK(widths == std::vector<std::int64_t>{288, 144, 80, 288, 144, 80});
}

TEST_CASE("a packed weight is never stale", "[tensor][matmul]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor a = random({40, 120}, dtype), g = random({40, 200}, dtype);
    Tensor value = random({120, 200}, dtype);
    const auto is_packed = [&] {
      return rill::detail::TensorAccess::body(value).storage->derived() != nullptr;
    };
    const auto check = [&] {
      // Forward and backward, with few rows and with many, as a training step uses a weight.
      const Tensor weight = as_weight(value);
      for (std::int64_t rows : {1, 8, 40}) {
        const Tensor x = window(a, 0, 0, rows), y = window(g, 0, 0, rows);
        REQUIRE(largest_difference(matmul(x, weight), product_of(x, value)) < tolerance(dtype, 120));
        const Tensor turned = transpose(weight, 0, 1);
        REQUIRE(largest_difference(matmul(y, turned), product_of(y, transpose(value, 0, 1))) <
                tolerance(dtype, 200));
        const Tensor part = window(weight, 1, 100, 100);
        REQUIRE(largest_difference(matmul(x, part), product_of(x, window(value, 1, 100, 100))) <
                tolerance(dtype, 120));
      }
    };
    check();
    CHECK(is_packed());
    const auto* storage = rill::detail::TensorAccess::body(value).storage;

    // A span may be held and written to again at any time.
    const auto write_and_check = [&](auto span) {
      for (int round = 0; round < 2; ++round) {
        for (auto& v : span) v = 1 - v;
        REQUIRE(rill::detail::TensorAccess::body(value).storage == storage);  // written in place
        check();
        CHECK_FALSE(is_packed());
      }
    };
    dtype == DType::float32 ? write_and_check(value.mutable_span<float>())
                            : write_and_check(value.mutable_span<double>());

    rill::detail::TensorAccess::make_writable(value);
    rill::kernels::fill(value, 0.5);
    check();
    CHECK(is_packed());

    const Tensor kept = as_weight(value);  // a second owner: the write below goes to a copy
    const Tensor before = matmul(a, kept);
    if (dtype == DType::float32)
      value.mutable_span<float>()[0] = 3;
    else
      value.mutable_span<double>()[0] = 3;
    check();
    CHECK(same_bits(matmul(a, kept), before));
  }
}

TEST_CASE("products have the same bits with any number of threads", "[tensor][matmul][threads]") {
  ThreadsRestored restored;
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor a = random({300, 256}, dtype), b = random({256, 520}, dtype), c = random({520}, dtype);
    const Tensor stack = random({6, 50, 64}, dtype), stack_b = random({6, 64, 100}, dtype);
    std::vector<std::pair<Tensor, Tensor>> pairs;
    for (int i = 0; i < 5; ++i) pairs.emplace_back(random({32, 200}, dtype), random({32, 300}, dtype));
    std::vector<std::vector<Tensor>> results;
    for (int threads : {1, 2, 3}) {
      rill::set_threads(threads);
      results.push_back({matmul(a, b), matmul(window(a, 0, 0, 32), b), matmul(a, as_weight(b)),
                         matmul(window(a, 0, 0, 32), as_weight(b)), matmul_add(a, b, c),
                         matmul_add(window(a, 1, 0, 64), window(b, 0, 0, 64), c), matmul(stack, stack_b),
                         sum_of_products(pairs)});
    }
    for (std::size_t i = 0; i < results[0].size(); ++i) {
      CHECK(same_bits(results[0][i], results[1][i]));
      CHECK(same_bits(results[0][i], results[2][i]));
    }
  }
}

TEST_CASE("two user threads multiply by one weight at once", "[tensor][matmul][threads]") {
  const Tensor a = random({32, 200}), weight = as_weight(random({200, 300})),
               copy = rill::kernels::copy(weight);
  const Tensor expected = matmul(a, as_weight(copy));
  std::vector<int> wrong(3, 0);
  std::vector<std::thread> users;
  for (auto& count : wrong)
    users.emplace_back([&] {
      for (int i = 0; i < 20; ++i) count += !same_bits(matmul(a, weight), expected);
    });
  for (auto& user : users) user.join();
  CHECK(wrong == std::vector<int>(3, 0));
}

TEST_CASE("matmul says what does not fit", "[tensor][matmul]") {
  CHECK_THROWS_WITH(matmul(random({32, 256}), random({128, 1024})),
                    "matmul: [32, 256] x [128, 1024]: inner sizes 256 and 128 differ");
  CHECK_THROWS_AS(matmul(random({32, 256}), random({128, 1024})), rill::ShapeError);
  CHECK_THROWS_WITH(matmul(random({}), random({3})),
                    "matmul: [] x [3]: a scalar has no rows and columns; use *");
  CHECK_THROWS_WITH(matmul(random({2, 3, 4}), random({5, 4, 6})),
                    "matmul: [2, 3, 4] x [5, 4, 6]: leading axes [2] and [5] do not broadcast");
  CHECK_THROWS_WITH(matmul(random({2, 3}), random({3, 2}, DType::float64)),
                    "matmul: float32 [2, 3] x float64 [3, 2]: the dtypes differ; cast one");
  CHECK_THROWS_AS(matmul(random({2, 3}), random({3, 2}, DType::float64)), rill::DTypeError);
  const Tensor whole = Tensor::from<std::int64_t>({1, 2, 3, 4}, {2, 2});
  CHECK_THROWS_WITH(matmul(whole, whole), "matmul: int64 [2, 2] x [2, 2]: expected float32 or float64");
  CHECK_THROWS_AS(matmul(Tensor(), random({2})), rill::ValueError);

  CHECK_THROWS_WITH(matmul_add(random({2, 3}), random({3, 4}), random({5})), ContainsSubstring("matmul_add"));
  CHECK_THROWS_WITH(matmul_add(random({2, 3}), random({3, 4}), random({7, 2, 4})),
                    "matmul_add: [7, 2, 4] cannot be added to a product of shape [2, 4]");
  CHECK_THROWS_WITH(matmul_add(random({2, 3}), random({3, 4}), random({4}, DType::float64)),
                    "matmul_add: float64 [4] cannot be added to a float32 product; cast one");
  CHECK_THROWS_WITH(matmul_add(random({2, 3}), random({4, 4}), random({4})),
                    "matmul_add: [2, 3] x [4, 4]: inner sizes 3 and 4 differ");

  CHECK_THROWS_AS(sum_of_products({}), rill::ValueError);
  CHECK_THROWS_WITH(sum_of_products({{random({2, 3}), random({4, 4})}}),
                    "sum_of_products: transpose([2, 3]) x [4, 4]: the numbers of rows differ");
  CHECK_THROWS_AS(sum_of_products({{random({2, 3}), random({2, 4})}, {random({2, 3}), random({2, 5})}}),
                  rill::ShapeError);
  CHECK_THROWS_AS(sum_of_products({{random({2, 3}), random({2, 4})},
                                   {random({2, 3}, DType::float64), random({2, 4}, DType::float64)}}),
                  rill::DTypeError);
}

TEST_CASE("a product with one zero, repeated, is what is added to it", "[tensor][matmul]") {
  for (const rill::DType dtype : {rill::DType::float32, rill::DType::float64}) {
    const rill::Tensor zero = rill::kernels::expand(rill::zeros({}, dtype), {3, 2}),
                       b = rill::full({2, 4}, 5, dtype), c = rill::full({4}, 7, dtype);
    REQUIRE(rill::kernels::matmul(zero, b).to_vector<double>() == std::vector<double>(12, 0));
    REQUIRE(rill::kernels::matmul_add(zero, b, c).to_vector<double>() == std::vector<double>(12, 7));
    REQUIRE(rill::kernels::sum_of_products({{zero, rill::full({3, 4}, 1, dtype)}}).to_vector<double>() ==
            std::vector<double>(8, 0));
    REQUIRE_THROWS_AS(rill::kernels::matmul(zero, rill::full({3, 4}, 1, dtype)), rill::ShapeError);
  }
}
