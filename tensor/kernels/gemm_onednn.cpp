#include <oneapi/dnnl/dnnl.h>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/gemm.h"
#include "rill/tensor/kernels/program_end.h"
#include "rill/tensor/kernels/without_openmp.h"

namespace rill::gemm {
void multiply_with_onednn(const Product<float>& p) {
  if (is_program_ending()) return multiply_with_eigen(p);
  const WithoutOpenMP guard;
  const auto status =
      dnnl_sgemm(p.a.transposed ? 'T' : 'N', p.b.transposed ? 'T' : 'N', p.m, p.n, p.k, 1.0f, p.a.data,
                 p.a.stride, p.b.data, p.b.stride, p.accumulate ? 1.0f : 0.0f, p.c, p.c_stride);
  if (status != dnnl_success)
    throw Error(fmt::format("matmul: oneDNN refused [{}, {}] x [{}, {}] with status {}", p.m, p.k, p.k, p.n,
                            static_cast<int>(status)));
}

}  // namespace rill::gemm
