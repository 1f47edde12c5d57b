#include <algorithm>
#include <type_traits>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/matmul.h"
#include "rill/tensor/kernels/matmul_operand.h"
#include "rill/tensor/kernels/products.h"
#include "rill/tensor/kernels/scratch.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;
using gemm::Bfloat16;
using gemm::Matrix;
using gemm::Operand;
using gemm::Side;

namespace {

template <class T>
struct Pair {
  Matrix<T> left, right;  // [rows, m], [rows, n]
  std::int64_t rows;
};

/// Pairs whose left operands are one matrix of `Element`s, which is T or less precise.
template <class T, class Element>
struct Run {
  Matrix<Element> left;
  std::int64_t rows;
  const Pair<T>* first;
  const Pair<T>* last;
};

template <class T>
bool follows(const Pair<T>& before, const Pair<T>& after) {
  return !before.left.transposed && !after.left.transposed && before.left.stride == after.left.stride &&
         before.left.data + before.rows * before.left.stride == after.left.data;
}

template <class T>
std::vector<Run<T, T>> runs_in_place(const std::vector<Pair<T>>& pairs) {
  std::vector<Run<T, T>> runs;
  for (const auto& pair : pairs) {
    if (runs.empty() || !follows(*(&pair - 1), pair)) runs.push_back({pair.left, 0, &pair, &pair});
    runs.back().rows += pair.rows;
    ++runs.back().last;
  }
  return runs;
}

/// A block of the sum: rows from `row` on, columns from `column` on.
struct Block {
  std::int64_t row, rows, column, columns;
};

/// Calls multiply(left, depth) for stretches of at most `deepest` rows of a run, after gather(from, first,
/// height, depth) was called for the part of each right operand that makes rows [first, first + height) of
/// the stretch.
template <class T, class Element, class Gather, class Multiply>
void over_stretches(const Run<T, Element>& run, const Block& at, std::int64_t deepest, const Gather& gather,
                    const Multiply& multiply) {
  const Pair<T>* pair = run.first;
  std::int64_t used = 0;  // rows of the pair
  for (std::int64_t begin = 0; begin < run.rows; begin += deepest) {
    const std::int64_t depth = std::min(deepest, run.rows - begin);
    for (std::int64_t row = 0; row < depth;) {
      const std::int64_t height = std::min(depth - row, pair->rows - used);
      gather(pair->right.from(used, at.column), row, height, depth);
      row += height;
      used += height;
      if (used == pair->rows) {
        ++pair;
        used = 0;
      }
    }
    Matrix<Element> left = run.left.from(begin, at.row);
    left.transposed = !left.transposed;
    multiply(left, depth);
  }
}

template <class T>
void add_block(const std::vector<Run<T, T>>& runs, const Block& at, T* c, std::int64_t n) {
  constexpr std::int64_t deepest = 512;
  const gemm::Scratch<T> panel(deepest * at.columns);
  for (const auto& run : runs)
    over_stretches(
        run, at, deepest,
        [&](const Matrix<T>& from, std::int64_t first, std::int64_t height, std::int64_t) {
          gemm::copy_dense(from, height, at.columns, panel.data() + first * at.columns);
        },
        [&](const Matrix<T>& left, std::int64_t depth) {
          gemm::multiply(
              gemm::Product<T>{at.rows, at.columns, depth, left, {panel.data(), at.columns}, c, n, true});
        });
}

void add_block(const std::vector<Run<float, Bfloat16>>& runs, const Block& at, float* c, std::int64_t n) {
  constexpr std::int64_t deepest = 1024;
  const gemm::Scratch<std::uint32_t> panel(gemm::blocks::count(deepest, at.columns));
  const gemm::Scratch<float> sum(at.rows * at.columns);
  std::fill_n(sum.data(), at.rows * at.columns, 0.0f);
  for (const auto& run : runs)
    over_stretches(
        run, at, deepest,
        [&](const Matrix<float>& from, std::int64_t first, std::int64_t height, std::int64_t depth) {
          gemm::blocks::fill(from, first, height, depth, at.columns, panel.data());
        },
        [&](const Matrix<Bfloat16>& left, std::int64_t depth) {
          gemm::multiply(
              gemm::RoundedProduct{at.rows, at.columns, depth, left, panel.data(), sum.data(), true});
        });
  for (std::int64_t i = 0; i < at.rows; ++i)
    for (std::int64_t j = 0; j < at.columns; ++j) c[i * n + j] += sum.data()[i * at.columns + j];
}

/// Adds the products of some runs to c [m, n]. It is cut into blocks of rows by panels of columns, each of
/// which goes through all pairs, so that nothing is summed across threads.
template <class T, class Element>
void add_runs(const std::vector<Run<T, Element>>& runs, std::int64_t m, std::int64_t n, T* c) {
  constexpr std::int64_t tallest = 256, worth_threads = 400'000;
  const gemm::Panels panels = gemm::panels_of<Element>(n);
  const std::int64_t blocks = (m + tallest - 1) / tallest;
  const std::int64_t block_rows = (m + blocks - 1) / blocks;
  const auto add_part = [&](std::int64_t part) {
    const std::int64_t row = part % blocks * block_rows, column = panels.begin(part / blocks);
    add_block(runs, {row, std::min(block_rows, m - row), column, panels.size(part / blocks)},
              c + row * n + column, n);
  };
  std::int64_t depth = 0;
  for (const auto& run : runs) depth += run.rows;
  if (2 * m * n * depth > worth_threads)
    detail::parallel_parts(panels.count * blocks, add_part);
  else
    for (std::int64_t part = 0; part < panels.count * blocks; ++part) add_part(part);
}

/// Copies into dense rows, rounding where `to` says so.
template <class T>
void copy_left(const Pair<T>& pair, std::int64_t m, T* to) {
  gemm::copy_dense(pair.left, pair.rows, m, to);
}
void copy_left(const Pair<float>& pair, std::int64_t m, Bfloat16* to) {
  if (!pair.left.transposed) {
    gemm::round_matrix(pair.left, pair.rows, m, to);
    return;
  }
  const gemm::Scratch<float> dense(pair.rows * m);
  gemm::copy_dense(pair.left, pair.rows, m, dense.data());
  gemm::round_matrix(Matrix<float>{dense.data(), m}, pair.rows, m, to);
}

/// The same where a product for each run would have too few rows to be fast, or operands are rounded: gathers
/// the left operands, some at a time.
template <class Element, class T>
void add_gathered(const std::vector<Pair<T>>& pairs, std::int64_t m, std::int64_t n, T* c) {
  constexpr std::int64_t most_elements = (16 << 20) / static_cast<std::int64_t>(sizeof(Element));
  const Pair<T>* first = pairs.data();
  const Pair<T>* const stop = first + pairs.size();
  while (first != stop) {
    std::int64_t rows = 0;
    const Pair<T>* last = first;
    while (last != stop && (last == first || (rows + last->rows) * m <= most_elements))
      rows += (last++)->rows;
    const gemm::Scratch<Element> left(rows * m);
    std::vector<std::int64_t> begins;
    std::int64_t next = 0;
    for (const Pair<T>* pair = first; pair != last; next += pair++->rows * m) begins.push_back(next);
    const std::int64_t pairs_a_part = std::max<std::int64_t>(1, 16384 * (last - first) / (rows * m));
    detail::parallel_for(last - first, pairs_a_part, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        copy_left(first[i], m, left.data() + begins[static_cast<std::size_t>(i)]);
    });
    add_runs<T, Element>({{Matrix<Element>{left.data(), m}, rows, first, last}}, m, n, c);
    first = last;
  }
}

template <class T>
void add_products(const std::vector<Operand>& left, const std::vector<Operand>& right, const Tensor& out) {
  std::vector<Pair<T>> pairs;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (left[i].rows > 0) pairs.push_back({left[i].matrix<T>(), right[i].matrix<T>(), left[i].rows});
  // A reverse sweep meets the steps of a sequence from the last to the first.
  if (pairs.size() > 1 && follows(pairs[1], pairs[0])) std::reverse(pairs.begin(), pairs.end());

  constexpr std::int64_t few_rows = 32;
  const auto runs = runs_in_place(pairs);
  std::int64_t rows = 0;
  for (const auto& pair : pairs) rows += pair.rows;
  const std::int64_t m = out.shape()[0], n = out.shape()[1];
  T* c = TensorAccess::raw<T>(out);
  if constexpr (std::is_same_v<T, float>)
    if (gemm::rounds_operands(m, n)) return add_gathered<Bfloat16>(pairs, m, n, c);
  if (runs.size() > 1 && rows < few_rows * static_cast<std::int64_t>(runs.size()))
    add_gathered<T>(pairs, m, n, c);
  else
    add_runs(runs, m, n, c);
}

void check(const Tensor& left, const Tensor& right, const std::pair<Tensor, Tensor>& first) {
  const auto fail = [&](const char* what) {
    throw ShapeError(fmt::format("sum_of_products: transpose({}) x {}: {}", to_string(left.shape()),
                                 to_string(right.shape()), what));
  };
  if (left.rank() != 2 || right.rank() != 2) fail("expected two matrices");
  if (left.shape()[0] != right.shape()[0]) fail("the numbers of rows differ");
  if (left.shape()[1] != first.first.shape()[1] || right.shape()[1] != first.second.shape()[1])
    fail("the numbers of columns are not those of the first pair");
  Tensor a = left, b = right;
  gemm::agree_on_dtype(a, b, "sum_of_products");
  if (left.dtype() != first.first.dtype())
    throw DTypeError(fmt::format("sum_of_products: a pair of {} after one of {}", name(left.dtype()),
                                 name(first.first.dtype())));
}

}  // namespace

Tensor sum_of_products(const std::vector<std::pair<Tensor, Tensor>>& pairs) {
  if (pairs.empty())
    throw ValueError("sum_of_products: there are no pairs, so the shape of the sum is not known");
  std::vector<Operand> left, right;
  left.reserve(pairs.size());
  right.reserve(pairs.size());
  for (const auto& [l, r] : pairs) {
    check(l, r, pairs.front());
    if (gemm::repeats_zero(l)) continue;
    left.push_back(gemm::operand(l, Side::left));
    right.push_back(gemm::operand(r, Side::right));
  }
  const auto& [l, r] = pairs.front();
  const Tensor out = full({l.shape()[1], r.shape()[1]}, 0, l.dtype());
  if (out.count() == 0) return out;
  if (out.dtype() == DType::float32)
    add_products<float>(left, right, out);
  else
    add_products<double>(left, right, out);
  return out;
}

}  // namespace rill::kernels
