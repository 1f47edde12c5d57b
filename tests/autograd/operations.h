#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/ops.h"

namespace rill::test {

/// An operation and how it is checked. The test fails for an operation that is declared and not in this
/// table.
struct Operation {
  std::string name;  ///< as it is declared
  DifferentiableFunction f;
  std::vector<std::vector<Shape>> shapes;  ///< of the inputs, one list a check
  double low = -2, high = 2;               ///< of the inputs' values
  bool constant = false;                   ///< the result has no gradient
  bool repeats = true;                     ///< whether the inputs may hold equal elements
};

const std::vector<Operation>& operations();

/// Float64 numbers of that shape in [low, high].
enum class Layout { contiguous, transposed, broadcast, reversed_steps };
Tensor input(const Shape& shape, double low, double high, Layout layout);

}  // namespace rill::test
