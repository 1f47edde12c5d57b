#include "rill/autograd/ops/gradient_control.h"

#include "rill/autograd/record.h"

namespace rill {

Tensor stop_gradient(const Tensor& x) { return detail::untracked(x); }

Tensor on_gradient(const Tensor& x, std::function<Tensor(const Tensor&)> f) {
  return record("on_gradient", x, wrt(x, [f = std::move(f)](const Tensor& g) { return f(g); }));
}

}  // namespace rill
