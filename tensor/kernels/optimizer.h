#pragma once

// One step of an optimiser over many tensors: a single pass over weights, gradients and slots. A tensor that
// nobody shares is changed in place; otherwise its new elements are written to fresh storage in the same
// pass, so that a tape or a snapshot keeps the old ones. Factors are computed in double and rounded once to
// the weight's dtype.

#include <array>
#include <span>

#include "rill/tensor/tensor.h"

namespace rill::kernels {

/// A weight, its gradient and up to three slots (null: not there), all of one shape and floating dtype. The
/// caller has checked that.
template <class Factors>
struct OptimizerStep {
  Tensor* weight;
  Tensor gradient;
  std::array<Tensor*, 3> slots;
  Factors factors;
};

/// g' = g + weight_decay w.  Without a slot: w -= rate g'.  With a velocity v: v = momentum v + g';
/// w -= rate v, or with nesterov w -= rate (g' + momentum v).
struct SgdFactors {
  double rate, momentum, weight_decay;
  bool nesterov;
};
/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  with a third slot u = max(u, v), which
/// stands for v in w = keep w - rate m / (root_scale sqrt(v) + epsilon).
struct AdamFactors {
  double rate, keep, beta1, beta2, root_scale, epsilon;
};
/// v = rho v + (1 - rho) g^2;  with the second slot a = rho a + (1 - rho) g, and v - a^2 in place of v;
/// d = g / (sqrt(v) + epsilon);  w -= rate d, or with the third slot u = momentum u + d;  w -= rate u.
struct RmsPropFactors {
  double rate, rho, momentum, epsilon;
};
/// s = s + g^2;  w -= rate g / (sqrt(s) + epsilon).
struct AdagradFactors {
  double rate, epsilon;
};
/// w = decay w + (1 - decay) g.
struct AverageFactors {
  double decay;
};

void optimizer_steps(std::span<const OptimizerStep<SgdFactors>> steps);
void optimizer_steps(std::span<const OptimizerStep<AdamFactors>> steps);
void optimizer_steps(std::span<const OptimizerStep<RmsPropFactors>> steps);
void optimizer_steps(std::span<const OptimizerStep<AdagradFactors>> steps);
void optimizer_steps(std::span<const OptimizerStep<AverageFactors>> steps);

/// The sum of the squares of all elements, in double. Floating dtypes only.
double sum_of_squares(const Tensor& x);

}  // namespace rill::kernels
