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
/// same when it is called again, so it must not change what it uses. It then sees what it saw at first: the
/// values that parameters had, however they were updated since, the random numbers of default_generator(),
/// nn::TrainingMode, OnParameterUse (of whose function a copy is kept) and set_matmul_precision (which holds
/// for all threads, for as long). Capture other tensors by value. Throws ValueError, in the sweep, when f
/// gives another number of tensors than at first, or uses another model.
std::vector<Tensor> checkpoint(std::function<std::vector<Tensor>(const std::vector<Tensor>&)> f,
                               const std::vector<Tensor>& inputs);

}  // namespace rill
