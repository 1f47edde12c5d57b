#include "rill/nn/linear.h"

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/place.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::nn {

Linear::Linear(std::int64_t in, std::int64_t out, const LinearOptions& options) {
  if (in < 0 || out < 0)
    throw ValueError(fmt::format("Linear: sizes {} and {}; expected none below 0", in, out));
  kernel = Parameter(options.kernel_initializer ? options.kernel_initializer({in, out})
                                                : glorot_uniform()({in, out}));
  if (options.bias)
    bias = Parameter(options.bias_initializer ? options.bias_initializer({out}) : zeros({out}));
}

Tensor Linear::operator()(const Tensor& x) const {
  rill::detail::require_values("Linear", x);
  if (x.rank() == 0 || x.size(-1) != kernel.shape()[0])
    throw ShapeError(fmt::format("Linear: an input of shape {}; expected {} on the last axis",
                                 to_string(x.shape()), kernel.shape()[0]));
  const AtPlace place({"Linear", kernel.id(), bias ? bias->id() : kernel.id()});
  return bias ? matmul_add(x, kernel, *bias) : matmul(x, kernel);
}

}  // namespace rill::nn
