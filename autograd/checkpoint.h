#pragma once

#include <functional>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill {

/// f(inputs), of which the tape keeps only the inputs: what f recorded is dropped, and f is called again in
/// the reverse sweep (Chen et al. 2016, "Training deep nets with sublinear memory cost"). Time is spent for
/// memory: a sequence of T steps in sqrt(T) such pieces holds the records of sqrt(T) steps at a time.
///
/// f may use parameters and other tensors that it captures; they get their gradients. It must compute the
/// same when it is called again: the random numbers that it draws from default_generator() are the same ones,
/// and nn::TrainingMode is what it was. What else is set outside of f, such as set_matmul_precision or
/// OnParameterUse, is what it is during the reverse sweep.
std::vector<Tensor> checkpoint(std::function<std::vector<Tensor>(const std::vector<Tensor>&)> f,
                               const std::vector<Tensor>& inputs);

}  // namespace rill
