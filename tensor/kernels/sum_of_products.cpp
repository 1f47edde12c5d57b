#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/bfloat16.h"
#include "rill/tensor/kernels/block_signals.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/layout.h"
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

/// Whether the rows of one side of a pair come after those of another in memory.
template <class T>
bool follows(const Pair<T>& before, const Pair<T>& after, Matrix<T> Pair<T>::*side) {
  const Matrix<T>&a = before.*side, &b = after.*side;
  return !a.transposed && !b.transposed && a.stride == b.stride && a.data + before.rows * a.stride == b.data;
}

/// The rows of pairs that are multiplied at a time: a stretch of all of them, in pieces, which lie in units
/// of 64 rows that threads copy.
template <class T>
struct Stretch {
  static constexpr std::int64_t unit_rows = 64;
  std::vector<Pair<T>> pieces;
  std::vector<std::int64_t> begins;  // the first row of each piece
  std::vector<std::size_t> units;    // the first piece of each unit
  std::int64_t rows = 0;

  void add(const Pair<T>& piece) {
    if (rows % unit_rows == 0) units.push_back(pieces.size());
    pieces.push_back(piece);
    begins.push_back(rows);
    rows += piece.rows;
  }
  /// Whether one side of all pieces is one matrix.
  bool is_in_place(Matrix<T> Pair<T>::*side) const {
    return !(pieces.front().*side).transposed &&
           std::adjacent_find(pieces.begin(), pieces.end(), [&](const auto& a, const auto& b) {
             return !follows(a, b, side);
           }) == pieces.end();
  }
  /// Calls body(piece, its first row) for all of a unit.
  template <class Body>
  void over_unit(std::int64_t unit, const Body& body) const {
    const auto i = static_cast<std::size_t>(unit);
    const std::size_t end = i + 1 < units.size() ? units[i + 1] : pieces.size();
    for (std::size_t k = units[i]; k < end; ++k) body(pieces[k], begins[k]);
  }
};

/// Calls body(stretch) for one stretch of at most `units` units after the other.
template <class T, class Body>
void over_stretches(const std::vector<Pair<T>>& pairs, std::int64_t units, const Body& body) {
  constexpr std::int64_t unit_rows = Stretch<T>::unit_rows;
  Stretch<T> stretch;
  for (const Pair<T>& pair : pairs)
    for (std::int64_t row = 0; row < pair.rows;) {
      const std::int64_t rows = std::min(unit_rows - stretch.rows % unit_rows, pair.rows - row);
      stretch.add({pair.left.from(row, 0), pair.right.from(row, 0), rows});
      row += rows;
      if (stretch.rows == units * unit_rows) {
        body(stretch);
        stretch = {};
      }
    }
  if (stretch.rows > 0) body(stretch);
}

/// How the rows of all pairs are summed. Very many float32 numbers lose digits where they are added up as the
/// backend does, and stretch by stretch.
template <class T>
struct Length {
  std::int64_t units;     // of a stretch
  bool is_long = false;   // stretches are added up in double
  bool is_exact = false;  // and so are pieces of them

  Length(const std::vector<Pair<T>>& pairs, std::int64_t m, std::int64_t n) {
    constexpr std::int64_t most_copied = std::int64_t{1} << 22;  // elements
    constexpr std::int64_t many_rows = 1 << 14, very_many_rows = 1 << 17, many_stretches = 64, narrow = 16;
    units = 1 + most_copied / (m + n) / Stretch<T>::unit_rows;
    std::int64_t rows = 0;
    for (const Pair<T>& pair : pairs) rows += pair.rows;
    if (!std::is_same_v<T, float> || rows <= many_rows) return;
    units = std::min(units, many_rows / Stretch<T>::unit_rows);
    is_exact = std::min(m, n) <= narrow || rows > very_many_rows;
    is_long = is_exact || rows > many_stretches * units * Stretch<T>::unit_rows;
  }

  void multiply(const gemm::Product<T>& product) const {
    if constexpr (std::is_same_v<T, float>)
      if (is_exact) return gemm::multiply_long(gemm::backends().front(), product);
    gemm::multiply(product);
  }
};

constexpr std::int64_t worth_threads = 400'000, worth_copying = 16384;

/// Adds a stretch to c [m, n], or writes it there, by panels of columns, so that nothing is summed across
/// threads. A panel that does not read well where it lies is copied where it is multiplied.
template <class T>
void multiply(const Stretch<T>& stretch, std::int64_t m, std::int64_t n, T* c, bool accumulate,
              const Length<T>& length) {
  Matrix<T> left = stretch.pieces.front().left;
  Tensor gathered;
  if (!stretch.is_in_place(&Pair<T>::left)) {
    // Transposed, as the backend reads it fastest, but not row by row.
    constexpr std::int64_t line = 64 / sizeof(T);
    const bool transposes = stretch.rows >= line * static_cast<std::int64_t>(stretch.pieces.size());
    gathered = empty_matrix(transposes ? Shape{m, stretch.rows} : Shape{stretch.rows, m}, dtype_of<T>());
    T* const to = TensorAccess::raw<T>(gathered);
    const std::int64_t stride = gathered.strides()[0];
    const auto units = static_cast<std::int64_t>(stretch.units.size());
    detail::parallel_parts_if(m * stretch.rows >= worth_copying, units, [&](std::int64_t unit) {
      stretch.over_unit(unit, [&](const Pair<T>& piece, std::int64_t begin) {
        if (transposes)
          gemm::copy_rows(piece.left.transpose(), m, piece.rows, to + begin, stride);
        else
          gemm::copy_rows(piece.left, piece.rows, m, to + begin * stride, stride);
      });
    });
    left = {to, stride, transposes};
  }
  const Matrix<T> right = stretch.pieces.front().right;
  const bool right_in_place = stretch.is_in_place(&Pair<T>::right) &&
                              !share_cache_sets(right.stride * static_cast<std::int64_t>(sizeof(T)));

  // A copied panel of as many units stays in a core's second-level cache.
  constexpr std::int64_t tallest = 256, units_together = 8;
  const std::int64_t deepest = right_in_place ? stretch.rows : units_together * stretch.unit_rows;
  const gemm::Panels panels = gemm::panels_of<T>(n);
  const std::int64_t blocks = (m + tallest - 1) / tallest;
  const std::int64_t block_rows = (m + blocks - 1) / blocks;
  const bool worth_it = 2 * m * n * stretch.rows > worth_threads;
  const BlockSignals guard(gemm::runs_generated_code<T>(m, n, stretch.rows));
  detail::parallel_parts_if(worth_it, panels.count() * blocks, [&](std::int64_t part) {
    const std::int64_t row = part % blocks * block_rows, column = panels.begin(part / blocks);
    const std::int64_t width = panels.size(part / blocks);
    const gemm::Scratch<T> panel(right_in_place ? 0 : std::min(deepest, stretch.rows) * width);
    for (std::int64_t top = 0; top < stretch.rows; top += deepest) {
      const std::int64_t depth = std::min(deepest, stretch.rows - top);
      if (!right_in_place)
        for (std::int64_t unit = top / stretch.unit_rows; unit * stretch.unit_rows < top + depth; ++unit)
          stretch.over_unit(unit, [&](const Pair<T>& piece, std::int64_t begin) {
            gemm::copy_rows(piece.right.from(0, column), piece.rows, width,
                            panel.data() + (begin - top) * width, width);
          });
      const Matrix<T> columns = left.from(top, row).transpose();
      length.multiply({std::min(block_rows, m - row), width, depth, columns,
                       right_in_place ? right.from(0, column) : Matrix<T>{panel.data(), width},
                       c + row * n + column, n, accumulate || top > 0});
    }
  });
}

}  // namespace

struct RoundedRight::Rows {
  Matrix<float> matrix;
  std::int64_t rows, n;
  gemm::Scratch<std::uint32_t> blocks;
  std::vector<Tensor> kept;  // so that these are the same rows as long as this exists

  Rows(const Matrix<float>& matrix_, std::int64_t rows_, std::int64_t n_)
      : matrix(matrix_), rows(rows_), n(n_), blocks(gemm::blocks::count(rows_, n_)) {}

  /// Which of these rows is the first of other ones, if nearly all of these are among them; -1 otherwise.
  std::int64_t find(const Matrix<float>& other, std::int64_t other_rows, std::int64_t other_n) const {
    const std::int64_t distance = other.data - matrix.data, first = distance / matrix.stride;
    const bool inside = other_n == n && other.stride == matrix.stride && distance >= 0 &&
                        first * matrix.stride == distance && first + other_rows <= rows;
    return inside && rows - other_rows <= other_rows / 8 ? first : -1;
  }
};

RoundedRight::RoundedRight() = default;
RoundedRight::~RoundedRight() = default;
void RoundedRight::clear() { rows_.reset(); }

namespace {

/// The same of operands rounded to bfloat16, all of which are copied first; then blocks of rows of c are
/// multiplied. Rows that `before` holds already are not rounded again; those among them that the stretch does
/// not have become zeros, so that it serves no third sum.
void multiply_rounded(const Stretch<float>& stretch, std::int64_t m, std::int64_t n, float* c,
                      bool accumulate, RoundedRight* before) {
  const Matrix<float> first = stretch.pieces.front().right;
  std::unique_ptr<RoundedRight::Rows> rows;
  const bool in_place = before && stretch.is_in_place(&Pair<float>::right);
  if (in_place) rows = std::move(before->rows());
  const std::int64_t found = rows ? rows->find(first, stretch.rows, n) : -1;
  if (found < 0) rows = std::make_unique<RoundedRight::Rows>(first, stretch.rows, n);
  const std::int64_t depth = rows->rows, begin_row = std::max<std::int64_t>(found, 0);
  const std::int64_t end_row = begin_row + stretch.rows;
  const gemm::Scratch<Bfloat16> left(m * depth);  // transposed, which the backend reads fastest
  std::uint32_t* const right = rows->blocks.data();
  if (depth > stretch.rows) {
    for (std::int64_t i = 0; i < m; ++i) {
      std::fill_n(left.data() + i * depth, begin_row, Bfloat16{});
      std::fill(left.data() + i * depth + end_row, left.data() + (i + 1) * depth, Bfloat16{});
    }
    gemm::blocks::clear(0, begin_row, depth, n, right);
    gemm::blocks::clear(end_row, depth, depth, n, right);
  }
  const auto units = static_cast<std::int64_t>(stretch.units.size());
  detail::parallel_parts_if((m + n) * depth >= worth_copying, units, [&](std::int64_t unit) {
    stretch.over_unit(unit, [&](const Pair<float>& piece, std::int64_t begin) {
      gemm::round_transposed(piece.left, piece.rows, m, left.data() + begin_row + begin, depth);
      if (found < 0) gemm::blocks::fill(piece.right, begin, piece.rows, depth, n, right);
    });
  });

  constexpr std::int64_t shortest = 8, tallest = 128;
  const std::int64_t block_rows = std::clamp((m + 1) / 2, shortest, tallest);
  const bool worth_it = 2 * m * n * depth > worth_threads;
  const BlockSignals guard(gemm::runs_generated_code<gemm::Bfloat16>(m, n, depth));
  const std::int64_t parts = (m + block_rows - 1) / block_rows;
  detail::parallel_parts_if(worth_it, parts, [&](std::int64_t part) {
    const std::int64_t row = part * block_rows;
    gemm::multiply(gemm::RoundedProduct{std::min(block_rows, m - row),
                                        n,
                                        depth,
                                        {left.data() + row * depth, depth},
                                        right,
                                        c + row * n,
                                        accumulate});
  });
  if (in_place && found < 0) before->rows() = std::move(rows);
}

template <class T>
void add_products(const std::vector<Operand>& left, const std::vector<Operand>& right, const Tensor& out,
                  RoundedRight* rounded) {
  std::vector<Pair<T>> pairs;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (left[i].rows > 0) pairs.push_back({left[i].matrix<T>(), right[i].matrix<T>(), left[i].rows});
  if (pairs.empty()) return kernels::fill(out, 0);
  // A reverse sweep meets the steps of a sequence from the last to the first.
  if (pairs.size() > 1 &&
      (follows(pairs[1], pairs[0], &Pair<T>::left) || follows(pairs[1], pairs[0], &Pair<T>::right)))
    std::reverse(pairs.begin(), pairs.end());

  const std::int64_t m = out.shape()[0], n = out.shape()[1];
  T* const c = TensorAccess::raw<T>(out);
  const Length<T> length(pairs, m, n);
  Tensor total;
  bool accumulate = false;
  const auto add = [&](const Stretch<T>& stretch) {
    if constexpr (std::is_same_v<T, float>)
      if (gemm::rounds_operands(m, n)) return multiply_rounded(stretch, m, n, c, accumulate, rounded);
    multiply(stretch, m, n, c, accumulate, length);
  };
  over_stretches(pairs, length.units, [&](const Stretch<T>& stretch) {
    add(stretch);
    if (!length.is_long)
      accumulate = true;
    else if (total.defined())
      add_into(cast(out, DType::float64), total);
    else
      total = cast(out, DType::float64);
  });
  if (total.defined()) copy_into(cast(total, DType::float32), out);
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

Tensor sum_of_products(const std::vector<std::pair<Tensor, Tensor>>& pairs, RoundedRight* rounded) {
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
  const Tensor out = Tensor::empty({l.shape()[1], r.shape()[1]}, l.dtype());
  if (out.count() == 0) return out;
  if (out.dtype() == DType::float32)
    add_products<float>(left, right, out, rounded);
  else
    add_products<double>(left, right, out, rounded);
  if (rounded && rounded->rows())
    for (const Operand& operand : right) rounded->rows()->kept.push_back(operand.tensor);
  return out;
}

}  // namespace rill::kernels
