#include "rill/flow/vanishing_penalty.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

Tensor example_norms(const Tensor& x) { return norm(reshape(x, {x.size(0), -1}), -1); }

}  // namespace

Tensor vanishing_gradient_penalty(const Tape& tape, const Tensor& loss, const std::vector<Tensor>& hidden) {
  if (hidden.size() < 2)
    throw ValueError(
        fmt::format("vanishing_gradient_penalty: {} states; expected at least 2", hidden.size()));
  const auto deltas = tape.gradient(loss, hidden);
  Tensor total;
  for (std::size_t t = 0; t + 1 < hidden.size(); ++t) {
    const Tensor& delta = deltas[t + 1];
    if (!delta.defined()) continue;
    Tensor before = tape.gradient({hidden[t + 1], delta}, hidden[t]);
    if (!before.defined()) before = zeros_like(hidden[t]);
    const Tensor length = example_norms(delta);
    const Tensor flows = length > 0;
    const Tensor ratio = example_norms(before) / where(flows, length, 1);
    const Tensor term = mean(where(flows, square(ratio - 1), 0));
    total = total.defined() ? total + term : term;
  }
  if (!total.defined())
    throw ValueError("vanishing_gradient_penalty: the loss depends on none of the states after the first");
  return total;
}

}  // namespace rill::flow
