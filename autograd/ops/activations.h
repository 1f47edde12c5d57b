#pragma once

#include "rill/tensor/tensor.h"

// Elementwise activation functions, for floating dtypes (relu takes int64 too).

namespace rill {

Tensor tanh(const Tensor& x);
/// 1 / (1 + exp(-x))
Tensor sigmoid(const Tensor& x);
/// max(x, 0). The gradient at 0 is 0.
Tensor relu(const Tensor& x);
/// x above 0, else slope * x. The gradient at 0 is `slope`.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x above 0, else alpha * (exp(x) - 1). Clevert et al. 2016.
Tensor elu(const Tensor& x, double alpha = 1);
/// x times the normal distribution function of x, exactly, through erf. Hendrycks and Gimpel 2016.
Tensor gelu(const Tensor& x);
/// log(1 + exp(x)) without overflow.
Tensor softplus(const Tensor& x);

}  // namespace rill
