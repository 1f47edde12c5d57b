#pragma once

namespace rill {

/// What the operands of a float32 matrix product are rounded to while it is computed. Sums, results and
/// everything else stay float32.
enum class Precision {
  float32,   ///< not at all; the default
  bfloat16,  ///< to 8 significant bits, which processors with bfloat16 instructions multiply twice as fast
};

/// Sets the precision of float32 matrix products in the whole program from now on; may be called at any time
/// from any thread. Products by matrices of fewer than 4096 elements, the gradients of such matrices, and
/// other dtypes are not affected. Where the processor or the backend cannot multiply bfloat16, the rounded
/// operands are multiplied as float32.
void set_matmul_precision(Precision precision) noexcept;
Precision matmul_precision() noexcept;

}  // namespace rill
