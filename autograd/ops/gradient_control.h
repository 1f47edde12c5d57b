#pragma once

#include <functional>

#include "rill/tensor/tensor.h"

// Operations that leave a value as it is and change its gradient, at any point of a graph. They act on every
// gradient that passes: that of a gradient passes twice.

namespace rill {

class Generator;

/// The same elements as a constant.
Tensor stop_gradient(const Tensor& x);

/// x itself, whose gradient becomes f(gradient) on its way back: to clip it, scale it or look at it. While
/// the sweep is recorded for a higher derivative, f is differentiated too.
Tensor on_gradient(const Tensor& x, std::function<Tensor(const Tensor&)> f);

/// The gradient times `factor`.
Tensor scale_gradient(const Tensor& x, double factor);

/// The gradient times -strength: what comes before x learns to hinder what comes after it (Ganin and
/// Lempitsky 2015).
Tensor reverse_gradient(const Tensor& x, double strength = 1);

/// Every element of the gradient into [-bound, bound], as Graves (2013) did to the inputs of LSTM cells; NaN
/// stays NaN. Throws ValueError unless the bound is above 0 and finite.
Tensor clip_gradient_value(const Tensor& x, double bound);

/// The gradient of each example, which is a row of x [batch, ...], scaled to the length `bound` where it is
/// longer; one whose length is not finite in its dtype stays as it is. Throws ValueError unless the bound is
/// above 0 and finite.
Tensor clip_gradient_norm(const Tensor& x, double bound);

/// Normal noise of that standard deviation added to the gradient (Neelakantan et al. 2015), drawn in the
/// sweep from `generator`, which must live as long as the tape, or from default_generator(). Throws
/// ValueError unless the deviation is finite and at least 0.
Tensor add_gradient_noise(const Tensor& x, double deviation);
Tensor add_gradient_noise(const Tensor& x, double deviation, Generator& generator);

}  // namespace rill
