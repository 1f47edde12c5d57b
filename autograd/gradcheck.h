#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill {

struct GradcheckOptions {
  double step = 1e-6;  ///< half the distance of the two values that a difference is taken of
  double relative = 1e-6;
  double absolute = 1e-7;  ///< an entry passes within absolute + relative * |numeric|
};

struct GradcheckResult {
  bool passed = true;
  std::string message;  ///< the worst entry: its input, its index, and both gradients
  explicit operator bool() const { return passed; }
};

using DifferentiableFunction = std::function<Tensor(const std::vector<Tensor>&)>;

/// Compares the gradient of f with central differences, entry by entry, for a fixed random cotangent of f's
/// result, which may have any shape. Throws DTypeError unless all inputs and the result are float64.
GradcheckResult gradcheck(const DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                          GradcheckOptions options = {});

/// The same for the gradient of f as a function of the inputs and of the cotangent: the second derivative.
GradcheckResult gradgradcheck(const DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                              GradcheckOptions options = {});

}  // namespace rill
