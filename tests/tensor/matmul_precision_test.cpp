#include <cmath>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "rill/tensor/kernels/bfloat16.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/kernels/matmul.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/precision.h"
#include "rill/tensor/threads.h"
#include "tests/catch.h"

using rill::DType;
using rill::Precision;
using rill::Shape;
using rill::Tensor;
namespace blocks = rill::gemm::blocks;
using rill::gemm::Bfloat16;
using rill::gemm::round_to_bfloat16;
using rill::gemm::to_float;
using rill::kernels::cast;
using rill::kernels::matmul;
using rill::kernels::transpose;
using rill::kernels::window;

namespace {

Tensor random(const Shape& shape) {
  static std::mt19937 generator(11);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(rill::count(shape)));
  for (auto& v : values) v = uniform(generator);
  return Tensor::from(values, shape);
}

Tensor as_weight(const Tensor& x) {
  const auto& body = rill::detail::TensorAccess::body(x);
  Tensor alias = rill::detail::TensorAccess::view(x, body.offset, body.shape, body.strides);
  rill::detail::TensorAccess::mutable_body(alias).reused = true;
  return alias;
}

/// x rounded to bfloat16, as float64.
Tensor rounded(const Tensor& x) {
  std::vector<double> values;
  for (float v : x.to_vector<float>()) values.push_back(to_float(round_to_bfloat16(v)));
  return Tensor::from(values, x.shape());
}

double largest_difference(const Tensor& x, const Tensor& y) {
  const auto a = x.to_vector<double>(), b = y.to_vector<double>();
  if (!(x.shape() == y.shape())) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

struct PrecisionRestored {
  Precision before = rill::matmul_precision();
  ~PrecisionRestored() { rill::set_matmul_precision(before); }
};

}  // namespace

TEST_CASE("rounding to bfloat16 takes the nearest, and of two the even one", "[tensor][matmul]") {
  const auto round = [](float x) { return to_float(round_to_bfloat16(x)); };
  CHECK(round(1.0f) == 1.0f);
  CHECK(round(1.0f + 0x1p-8f) == 1.0f);            // halfway: even
  CHECK(round(1.0f + 0x3p-8f) == 1.0f + 0x1p-6f);  // halfway: even
  CHECK(round(1.0f + 0x1.2p-8f) == 1.0f + 0x1p-7f);
  CHECK(round(-3.0e38f) == Approx(-3.0e38f).epsilon(0.01));
  CHECK(std::isinf(round(std::numeric_limits<float>::max())));
  CHECK(std::isnan(round(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isinf(round(std::numeric_limits<float>::infinity())));
}

TEST_CASE("every backend multiplies bfloat16 and sums in float32", "[tensor][matmul]") {
  struct Size {
    std::int64_t m, n, k;
  };
  for (const auto& backend : rill::gemm::backends())
    for (const auto& [m, n, k] :
         std::vector<Size>{{1, 64, 32}, {30, 50, 70}, {7, 200, 33}, {64, 128, 256}, {3, 1, 1}})
      for (bool a_transposed : {false, true})
        for (bool b_transposed : {false, true})
          for (const auto& [accumulate, has_bias] :
               {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
            INFO(backend.name << " " << m << ", " << n << ", " << k);
            const Tensor a = random(a_transposed ? Shape{k, m + 2} : Shape{m, k + 2});
            const Tensor b = random(b_transposed ? Shape{n, k + 1} : Shape{k, n + 1});
            std::vector<Bfloat16> a_bits;
            for (float v : a.span<float>()) a_bits.push_back(round_to_bfloat16(v));
            // In blocks, filled in three calls.
            std::vector<std::uint32_t> b_blocks(static_cast<std::size_t>(blocks::count(k, n)), 0xdeadbeefu);
            const rill::gemm::Matrix<float> rows{b.span<float>().data(), b.size(1), b_transposed};
            const std::int64_t first = (k + 2) / 3, second = std::min(k, first + 20);
            blocks::fill(rows, 0, first, k, n, b_blocks.data());
            if (second > first)
              blocks::fill(rows.from(first, 0), first, second - first, k, n, b_blocks.data());
            if (k > second) blocks::fill(rows.from(second, 0), second, k - second, k, n, b_blocks.data());
            Tensor c = random({m, n});
            const Tensor bias = random({n});
            Tensor before =
                accumulate ? cast(c, DType::float64) : rill::kernels::full({m, n}, 0, DType::float64);
            if (has_bias) before = rill::kernels::add(before, cast(bias, DType::float64));
            backend.bfloat16({m,
                              n,
                              k,
                              {a_bits.data(), a.size(1), a_transposed},
                              b_blocks.data(),
                              c.mutable_span<float>().data(),
                              accumulate,
                              has_bias ? bias.span<float>().data() : nullptr});
            const Tensor left =
                a_transposed ? transpose(window(rounded(a), 1, 0, m), 0, 1) : window(rounded(a), 1, 0, k);
            const Tensor right =
                b_transposed ? transpose(window(rounded(b), 1, 0, k), 0, 1) : window(rounded(b), 1, 0, n);
            REQUIRE(largest_difference(c, rill::kernels::matmul_add(left, right, before)) <
                    1e-7 * static_cast<double>(k + 20));
          }
}

TEST_CASE("with bfloat16 precision, products are those of rounded operands", "[tensor][matmul]") {
  PrecisionRestored restored;
  struct Size {
    std::int64_t m, n, k;
  };
  for (const auto& [m, n, k] :
       std::vector<Size>{{1, 300, 64}, {32, 256, 128}, {300, 130, 40}, {70, 520, 600}}) {
    const Tensor a = random({m, k}), b = random({k, n}), bias = random({n});
    const Tensor expected = matmul(rounded(a), rounded(b));
    const double tolerance = 3e-7 * static_cast<double>(k);
    rill::set_matmul_precision(Precision::bfloat16);
    const auto turned = [](const Tensor& x) {
      return transpose(rill::kernels::copy(transpose(x, 0, 1)), 0, 1);
    };
    for (const Tensor& left : {a, turned(a)})
      for (const Tensor& right : {b, turned(b)}) {
        CHECK(largest_difference(matmul(left, right), expected) < tolerance);
        CHECK(largest_difference(matmul(left, as_weight(right)), expected) < tolerance);
      }
    CHECK(largest_difference(rill::kernels::matmul_add(a, as_weight(b), bias),
                             rill::kernels::matmul_add(rounded(a), rounded(b), cast(bias, DType::float64))) <
          tolerance);
    const Tensor stack = random({3, m, k}), stack_b = random({3, k, n});
    CHECK(largest_difference(matmul(stack, stack_b), matmul(rounded(stack), rounded(stack_b))) < tolerance);

    const Tensor g = random({m, n}), a2 = random({5, k}), g2 = random({5, n});
    const Tensor sum = rill::kernels::sum_of_products({{a, g}, {a2, g2}});
    const Tensor sum_expected = rill::kernels::matmul_add(transpose(rounded(a), 0, 1), rounded(g),
                                                          matmul(transpose(rounded(a2), 0, 1), rounded(g2)));
    CHECK(largest_difference(sum, sum_expected) < (k * n < 4096 ? 1 : 3e-7 * static_cast<double>(m + 8)));
    rill::set_matmul_precision(Precision::float32);
  }
}

TEST_CASE("bfloat16 sums of products take pairs of any height and number", "[tensor][matmul]") {
  PrecisionRestored restored;
  rill::set_matmul_precision(Precision::bfloat16);
  struct Case {
    std::int64_t pairs, rows, m, n;
  };
  // Odd heights, more than are copied by one thread, and more than are copied at a time.
  for (const auto& [pairs, rows, m, n] : std::vector<Case>{
           {7, 33, 70, 100}, {3, 1, 64, 64}, {40, 5, 30, 200}, {2, 65, 9, 500}, {5, 901, 520, 530}}) {
    INFO(pairs << " of " << rows);
    const Tensor lefts = random({pairs * rows, m}), rights = random({pairs * rows, n});
    std::vector<std::pair<Tensor, Tensor>> list;
    for (std::int64_t i = 0; i < pairs; ++i) {
      const Tensor left = window(lefts, 0, i * rows, rows);
      const Tensor turned = transpose(rill::kernels::copy(transpose(left, 0, 1)), 0, 1);
      list.emplace_back(i % 2 ? turned : left, window(rights, 0, i * rows, rows));
    }
    const Tensor expected = matmul(transpose(rounded(lefts), 0, 1), rounded(rights));
    CHECK(largest_difference(rill::kernels::sum_of_products(list), expected) <
          1e-7 * static_cast<double>(pairs * rows + 8));
  }
}

TEST_CASE("bfloat16 sums of products over the same rows round them once", "[tensor][matmul]") {
  PrecisionRestored restored;
  rill::set_matmul_precision(Precision::bfloat16);
  constexpr std::int64_t rows = 297, m = 40, n = 150;
  const Tensor left = random({rows, m}), other_left = random({rows, 70}), right = random({rows, n});
  const auto check = [&](const Tensor& a, std::int64_t begin, std::int64_t end,
                         rill::kernels::RoundedRight& before) {
    // In pieces of a few rows, from the last to the first, as a reverse sweep meets them.
    std::vector<std::pair<Tensor, Tensor>> pairs;
    for (std::int64_t r = begin; r < end; r += 33) {
      const std::int64_t height = std::min<std::int64_t>(33, end - r);
      pairs.insert(pairs.begin(),
                   {rill::kernels::copy(window(a, 0, r, height)), window(right, 0, r, height)});
    }
    const Tensor expected = matmul(transpose(rounded(window(a, 0, begin, end - begin)), 0, 1),
                                   rounded(window(right, 0, begin, end - begin)));
    CHECK(largest_difference(rill::kernels::sum_of_products(pairs, &before), expected) < 1e-7 * rows);
  };
  const auto has_rows = [](rill::kernels::RoundedRight& before) { return before.rows() != nullptr; };

  for (const auto& [begin, end] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {0, rows}, {32, rows}, {33, rows}, {0, rows - 1}, {5, rows - 10}}) {
    INFO(begin << " to " << end);
    rill::kernels::RoundedRight before;
    check(left, 0, rows, before);
    CHECK(has_rows(before));
    check(other_left, begin, end, before);
    CHECK_FALSE(has_rows(before));  // used
    check(left, 0, rows, before);
  }
  rill::kernels::RoundedRight before;
  check(left, 0, 100, before);
  check(other_left, 0, rows, before);  // more rows
  check(left, 0, 100, before);         // far fewer
  check(left, 150, rows, before);
}

TEST_CASE("a row that only the first of two bfloat16 sums has may be infinite", "[tensor][matmul]") {
  PrecisionRestored restored;
  rill::set_matmul_precision(Precision::bfloat16);
  const Tensor left = random({300, 64}), whole = random({300, 128});
  rill::kernels::fill(window(whole, 0, 0, 5), std::numeric_limits<double>::infinity());
  const Tensor rest = window(whole, 0, 5, 295), rest_left = window(left, 0, 5, 295);
  rill::kernels::RoundedRight before;
  rill::kernels::sum_of_products({{left, whole}}, &before);
  const Tensor sum = rill::kernels::sum_of_products({{rest_left, rest}}, &before);
  for (float v : sum.to_vector<float>()) REQUIRE(std::isfinite(v));
  CHECK(largest_difference(sum, matmul(transpose(rounded(rest_left), 0, 1), rounded(rest))) < 3e-5);
}

TEST_CASE("bfloat16 precision leaves small products and float64 alone", "[tensor][matmul]") {
  PrecisionRestored restored;
  const Tensor a = random({40, 63}), b = random({63, 65});
  const Tensor c = cast(random({40, 100}), DType::float64), d = cast(random({100, 100}), DType::float64);
  const auto small = matmul(a, b).to_vector<float>();
  const auto exact = matmul(c, d).to_vector<double>();
  rill::set_matmul_precision(Precision::bfloat16);
  CHECK(matmul(a, b).to_vector<float>() == small);
  CHECK(matmul(c, d).to_vector<double>() == exact);
}

TEST_CASE("a weight packed at one precision is not used at another, nor when it changed",
          "[tensor][matmul]") {
  PrecisionRestored restored;
  const Tensor a = random({32, 100});
  Tensor value = random({100, 200});
  for (int round = 0; round < 2; ++round) {
    for (int turn = 0; turn < 2; ++turn) {
      rill::set_matmul_precision(Precision::float32);
      CHECK(largest_difference(matmul(a, as_weight(value)),
                               matmul(cast(a, DType::float64), cast(value, DType::float64))) < 3e-5);
      rill::set_matmul_precision(Precision::bfloat16);
      CHECK(largest_difference(matmul(a, as_weight(value)), matmul(rounded(a), rounded(value))) < 3e-5);
    }
    for (auto& v : value.mutable_span<float>()) v = 1 - v;
  }
}

TEST_CASE("bfloat16 products have the same bits with any number of threads", "[tensor][matmul][threads]") {
  PrecisionRestored restored;
  rill::set_matmul_precision(Precision::bfloat16);
  const int before = rill::threads();
  const Tensor a = random({200, 256}), b = random({256, 520}), g = random({200, 520});
  std::vector<std::vector<float>> products, sums;
  for (int threads : {1, 2, 3}) {
    rill::set_threads(threads);
    products.push_back(matmul(a, as_weight(b)).to_vector<float>());
    sums.push_back(rill::kernels::sum_of_products({{a, g}, {a, g}}).to_vector<float>());
  }
  rill::set_threads(before);
  CHECK(products[0] == products[1]);
  CHECK(products[0] == products[2]);
  CHECK(sums[0] == sums[1]);
  CHECK(sums[0] == sums[2]);
}
