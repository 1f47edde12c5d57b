#include <algorithm>

#include "rill/tensor/kernels/block_signals.h"
#include "rill/tensor/kernels/products.h"
#include "rill/tensor/kernels/scratch.h"
#include "rill/tensor/precision.h"

namespace rill::gemm {

bool rounds_operands(std::int64_t rows, std::int64_t columns) {
  return matmul_precision() == Precision::bfloat16 && rows * columns >= 4096;
}

void multiply_stack_rounded(const Operand& a, const Operand& b, const Dims& batch, float* c,
                            const Addend<float>& addend, bool accumulate) {
  const std::int64_t m = a.rows, n = b.columns, k = a.columns;
  const std::uint32_t* packed = b.batch.empty() ? packed_blocks(b.tensor, b.matrix<float>(), k, n) : nullptr;
  // The backend writes dense rows. Blocks of whole ones need no copy and stay with a core from one product to
  // the next; all panels, one after the other, are read as one. But few rows are not worth that each core
  // reads all of a large weight.
  constexpr std::int64_t few = 16, many = 256, large = 1 << 20;
  const bool whole_rows = packed && (m >= many || (m >= few && n * k <= large));
  const Cut cut(m, n, k, whole_rows ? Panels::whole(n) : panels_of<Bfloat16>(n),
                packed ? std::clamp<std::int64_t>(m / 8, few, 64) : many);
  const std::int64_t deepest = packed ? k : std::min<std::int64_t>(k, 1024);

  const std::int64_t products = rill::count(batch);
  const bool generated = runs_generated_code<Bfloat16>(m, n, k), is_long = cut.is_long(products);
  const kernels::BlockSignals throughout(generated && !is_long);
  cut.over_blocks(products, [&](const Block& at) {
    const kernels::BlockSignals here(generated && is_long);
    const Matrix<float> left = matrix_of<float>(a, batch, at.product).from(at.row, 0);
    const Matrix<float> right = matrix_of<float>(b, batch, at.product).from(0, at.column);
    float* const result = c + (at.product * m + at.row) * n + at.column;
    const bool in_place = at.columns == n;
    const Scratch<float> scratch(in_place ? 0 : at.rows * at.columns);
    float* const sum = in_place ? result : scratch.data();
    const bool as_bias = in_place && addend.data && addend.row_stride == 0 && addend.column_stride == 1;
    // What is added to is read at the end of each of the backend's blocks, which would wait for it.
    constexpr std::int64_t line = 64 / sizeof(float);
    if (in_place && accumulate)
      for (std::int64_t i = 0; i < at.rows * n; i += line) __builtin_prefetch(result + i, 1, 2);
    const Scratch<Bfloat16> rows(at.rows * deepest);
    const Scratch<std::uint32_t> panel(packed ? 0 : blocks::count(deepest, at.columns));
    for (std::int64_t depth = 0; depth < k; depth += deepest) {
      const std::int64_t deep = std::min(deepest, k - depth);
      if (!packed) blocks::fill(right.from(depth, 0), 0, deep, deep, at.columns, panel.data());
      multiply(RoundedProduct{
          at.rows, at.columns, deep, round_matrix(left.from(0, depth), at.rows, deep, rows.data()),
          packed ? packed + blocks::count(k, at.column) : panel.data(), sum,
          depth > 0 || (in_place && accumulate), as_bias && depth == 0 ? addend.data + at.column : nullptr});
    }
    const Addend<float> already = accumulate ? Addend<float>{c + at.product * m * n, n, 1} : addend;
    if (!in_place || (addend.data && !as_bias)) add_block(at, sum, at.columns, already, result, n);
  });
}

}  // namespace rill::gemm
