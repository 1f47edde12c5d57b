#pragma once

#include <functional>
#include <vector>

#include "rill/autograd/gradients.h"
#include "rill/tensor/tensor.h"

// Derivatives of functions of one tensor. Every one of them may be used inside another, to any depth, and on
// a tape. Where a result does not depend on the argument, its derivative is zeros. Arguments are float32 or
// float64.

namespace rill {

using Function = std::function<Tensor(const Tensor&)>;

struct ValueAndGradient {
  Tensor value;
  Tensor gradient;
};

/// x -> the gradient of f at x, for a function whose result has one element. The gradient has the shape of x.
Function grad(Function f);
ValueAndGradient value_and_grad(const Function& f, const Tensor& x);

/// f(x), and the product of `cotangent` (the shape of f(x)) with the Jacobian: the shape of x.
ValueAndGradient vjp(const Function& f, const Tensor& x, const Tensor& cotangent);

/// The product of the Jacobian of f at x with `tangent` (the shape of x): the shape of f(x). By
/// differentiating the vector-Jacobian product, which is linear in its cotangent (Townsend 2017).
Tensor jvp(const Function& f, const Tensor& x, const Tensor& tangent);

/// All partial derivatives: the shape of f(x) followed by that of x. One sweep for each element of f(x).
Tensor jacobian(const Function& f, const Tensor& x);

/// The second derivatives of a function whose result has one element: the shape of x twice.
Tensor hessian(const Function& f, const Tensor& x);

/// The product of the Hessian of f at x with `tangent`, at the cost of a few gradients (Pearlmutter 1994).
Tensor hvp(const Function& f, const Tensor& x, const Tensor& tangent);

/// The gradients with respect to all parameters of loss(0), ..., loss(examples - 1).
std::vector<Gradients> per_example_gradients(const std::function<Tensor(std::int64_t)>& loss,
                                             std::int64_t examples);

}  // namespace rill
