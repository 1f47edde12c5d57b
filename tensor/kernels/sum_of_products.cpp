#include <algorithm>
#include <span>
#include <type_traits>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/matmul.h"
#include "rill/tensor/kernels/matmul_operand.h"
#include "rill/tensor/kernels/panels.h"
#include "rill/tensor/kernels/scratch.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;
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
    if (!runs.empty() && follows(*(&pair - 1), pair))
      ++runs.back().last;
    else
      runs.push_back({pair.left, &pair, &pair + 1});
  }
  return runs;
}

/// Adds the products of some runs to c [m, n]. It is cut into blocks of rows by panels of columns, each of
/// which goes through all pairs, so that nothing is summed across threads.
template <class T, class Element>
void add_runs(const std::vector<Run<T, Element>>& runs, std::int64_t m, std::int64_t n, T* c) {
  constexpr std::int64_t tallest = 256, deepest = 512, worth_threads = 400'000;
  const gemm::Panels panels(n);
  const std::int64_t blocks = (m + tallest - 1) / tallest;
  const std::int64_t block_rows = (m + blocks - 1) / blocks;

  const auto add_block = [&](std::int64_t part) {
    const std::int64_t row = part % blocks * block_rows, rows = std::min(block_rows, m - row);
    const std::int64_t column = panels.begin(part / blocks), columns = panels.size(part / blocks);
    const gemm::Scratch<Element> right(deepest * columns);
    for (const auto& run : runs) {
      std::int64_t at = 0, gathered = 0;
      const auto flush = [&] {
        Matrix<Element> left = run.left.from(at, row);
        left.transposed = !left.transposed;
        gemm::multiply(gemm::Product<Element>{
            rows, columns, gathered, left, {right.data(), columns}, c + row * n + column, n, true});
        at += gathered;
        gathered = 0;
      };
      for (const auto* pair = run.first; pair != run.last; ++pair)
        for (std::int64_t r = 0; r < pair->rows;) {
          const std::int64_t count = std::min(pair->rows - r, deepest - gathered);
          gemm::copy_dense(pair->right.from(r, column), count, columns, right.data() + gathered * columns);
          r += count;
          gathered += count;
          if (gathered == deepest) flush();
        }
      if (gathered > 0) flush();
    }
  };
  std::int64_t depth = 0;
  for (const auto& run : runs)
    for (const auto* pair = run.first; pair != run.last; ++pair) depth += pair->rows;
  if (2 * m * n * depth > worth_threads)
    detail::parallel_parts(panels.count * blocks, add_block);
  else
    for (std::int64_t part = 0; part < panels.count * blocks; ++part) add_block(part);
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
    for (std::int64_t begin = 0; const auto& pair : std::span(first, last)) {
      begins.push_back(begin);
      begin += pair.rows;
    }
    const std::int64_t grain = std::max<std::int64_t>(1, 16384 / (rows / (last - first) * m + 1));
    detail::parallel_for(last - first, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        gemm::copy_dense(first[i].left, first[i].rows, m,
                         left.data() + begins[static_cast<std::size_t>(i)] * m);
    });
    add_runs<T, Element>({{Matrix<Element>{left.data(), m}, first, last}}, m, n, c);
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
    if (gemm::rounds_operands(m, n)) return add_gathered<gemm::Bfloat16>(pairs, m, n, c);
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
