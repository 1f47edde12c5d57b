#include "rill/tensor/kernels/products.h"

#include <algorithm>

#include "rill/tensor/kernels/block_signals.h"
#include "rill/tensor/kernels/scratch.h"

namespace rill::gemm {
namespace {

// Floating-point operations that are worth waking a thread for.
constexpr std::int64_t worth_threads = 400'000;
// Floating-point operations, of a tenth of a second or so, after which a signal has waited long enough.
constexpr double worth_letting_through = 1e10;
// With fewer rows, copying a panel of the right operand into dense rows costs more than it saves.
constexpr std::int64_t worth_gathering = 128;
// Many rows times a matrix of so few elements wait for the memory that they are written to, and it is fastest
// along whole rows. Blocks write so many elements.
constexpr std::int64_t small_matrix = 1 << 17, small_block = 1 << 14;

}  // namespace

Cut::Cut(std::int64_t m_, std::int64_t n_, std::int64_t k_, const Panels& panels_, std::int64_t fewest_rows,
         std::int64_t part)
    : m(m_), n(n_), k(k_), panels(panels_) {
  const std::int64_t rows = std::max(fewest_rows, part / (2 * k * panels.size(0)));
  const std::int64_t blocks = (m + rows - 1) / rows;
  block_rows = ((m + blocks - 1) / blocks + 7) / 8 * 8;
}

bool Cut::is_large() const { return 2 * m * n * k > worth_threads; }

bool Cut::is_long(std::int64_t products) const {
  return 2.0 * static_cast<double>(m * n) * static_cast<double>(k * products) > worth_letting_through;
}

void Cut::over_blocks(std::int64_t products, detail::FunctionRef<void(const Block&)> body) const {
  if (is_large()) {
    const std::int64_t blocks = (m + block_rows - 1) / block_rows;
    const std::int64_t units = panels.count() * blocks;
    detail::parallel_parts(products * units, [&](std::int64_t part) {
      const std::int64_t panel = part % units / blocks, row = part % blocks * block_rows;
      body({part / units, row, std::min(block_rows, m - row), panels.begin(panel), panels.size(panel)});
    });
  } else {
    detail::parallel_for(products, worth_threads / (2 * m * n * k),
                         [&](std::int64_t begin, std::int64_t end) {
                           for (std::int64_t product = begin; product < end; ++product)
                             for (std::int64_t panel = 0; panel < panels.count(); ++panel)
                               body({product, 0, m, panels.begin(panel), panels.size(panel)});
                         });
  }
}

template <class T>
void multiply_stack(const Operand& a, const Operand& b, const Dims& batch, T* c, const Addend<T>& addend,
                    bool accumulate) {
  const std::int64_t m = a.rows, n = b.columns, k = a.columns;
  const bool whole_rows = m >= worth_gathering && k * n <= small_matrix && !b.transposed;
  const Panels panels = whole_rows ? Panels::whole(n) : panels_of<T>(n);
  const T* packed = b.batch.empty() && !whole_rows ? packed_panels(b.tensor, b.matrix<T>(), k, n) : nullptr;
  // Not the rows of a long sum, which has to be one product to be added up well.
  constexpr std::int64_t most_gathered = 1 << 14;
  const bool gathers =
      !packed && !b.transposed && panels.count() > 1 && m >= worth_gathering && k <= most_gathered;
  Cut cut(m, n, k, panels, gathers ? 2 * worth_gathering : 32,
          whole_rows ? 2 * k * small_block : Cut::worth_part);
  if (!packed && !cut.is_large()) cut.panels = Panels::whole(n);

  const std::int64_t products = rill::count(batch);
  const bool generated = runs_generated_code<T>(m, n, k), is_long = cut.is_long(products);
  const kernels::BlockSignals throughout(generated && !is_long);
  cut.over_blocks(products, [&](const Block& at) {
    const kernels::BlockSignals here(generated && is_long);
    T* const result = c + (at.product * m + at.row) * n + at.column;
    const Matrix<T> left = matrix_of<T>(a, batch, at.product).from(at.row, 0);
    const Matrix<T> right = matrix_of<T>(b, batch, at.product).from(0, at.column);
    if (gathers) {
      constexpr std::int64_t deepest = 512;
      const Scratch<T> panel(std::min(k, deepest) * at.columns);
      for (std::int64_t depth = 0; depth < k; depth += deepest) {
        const std::int64_t deep = std::min(deepest, k - depth);
        copy_rows(right.from(depth, 0), deep, at.columns, panel.data(), at.columns);
        multiply(Product<T>{at.rows,
                            at.columns,
                            deep,
                            left.from(0, depth),
                            {panel.data(), at.columns},
                            result,
                            n,
                            accumulate || depth > 0});
      }
    } else {
      const Matrix<T> whole = packed ? Matrix<T>{packed + k * at.column, at.columns} : right;
      multiply(Product<T>{at.rows, at.columns, k, left, whole, result, n, accumulate});
    }
    // Last, while the block is in the cache: to begin with it would be a pass through memory of its own.
    if (addend.data) add_block(at, result, n, addend, result, n);
  });
}

template void multiply_stack(const Operand&, const Operand&, const Dims&, float*, const Addend<float>&, bool);
template void multiply_stack(const Operand&, const Operand&, const Dims&, double*, const Addend<double>&,
                             bool);

}  // namespace rill::gemm
