#pragma once

#include <functional>

#include "rill/tensor/tensor.h"

namespace rill::nn {

/// Makes the first value of a parameter, float32, from its shape.
using Initializer = std::function<Tensor(const Shape&)>;

// Factories of initialisers. For a matrix [in, out], fan_in is `in` and fan_out `out`; sizes before the last
// two multiply both. They draw from default_generator().

/// U(-a, a), a = sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010.
Initializer glorot_uniform();
/// N(0, 2 / (fan_in + fan_out)).
Initializer glorot_normal();
/// U(-a, a), a = sqrt(6 / fan_in): He et al. 2015.
Initializer he_uniform();
/// N(0, 2 / fan_in).
Initializer he_normal();
/// Rows or columns, whichever are fewer, orthonormal and times `gain`: Saxe et al. 2014. Throws ShapeError
/// for a rank below 2.
Initializer orthogonal(double gain = 1);
/// `gain` on the diagonal of a matrix, of each square block of it where `out` is a multiple of `in`: Le et
/// al. 2015.
Initializer identity(double gain = 1);
Initializer constant(double value);
Initializer uniform_initializer(double low, double high);
Initializer normal_initializer(double mean, double deviation);

/// The bias of gates for dependencies of up to `longest` steps, log(U(1, longest - 1)): Tallec and Ollivier
/// 2018. For an LSTM it goes to the forget gate and its negative to the input gate. Throws ValueError unless
/// longest > 2.
Initializer chrono(double longest);

}  // namespace rill::nn
