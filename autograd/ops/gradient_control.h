#pragma once

#include <functional>

#include "rill/tensor/tensor.h"

namespace rill {

/// The same elements as a constant.
Tensor stop_gradient(const Tensor& x);

/// x itself, whose gradient becomes f(gradient) on its way back: to clip it, scale it or look at it. While
/// the sweep is recorded for a higher derivative, f is differentiated too.
Tensor on_gradient(const Tensor& x, std::function<Tensor(const Tensor&)> f);

}  // namespace rill
