#pragma once

#include <vector>

#include "rill/autograd/tape.h"
#include "rill/tensor/tensor.h"

namespace rill::flow {

/// The regulariser Omega of Pascanu, Mikolov and Bengio (2013, eq. 9) for gradients that neither vanish nor
/// grow on their way back through time:
///
///   Omega = sum_t (||delta_{t+1} dh_{t+1}/dh_t|| / ||delta_{t+1}|| - 1)^2,   delta_t = dL/dh_t,
///
/// the mean over the examples of a batch. `hidden` holds the states [batch, hidden] in the order in which the
/// cell computed them: h_t of an RNN or GRU, c_t of an LSTM, of whose Jacobian the path by h_t is a part. A
/// term with delta_{t+1} = 0 counts 0. Differentiated on an outer tape, it adds to a loss:
///
///   Tape outer;
///   Tape tape;
///   ...                                      // the layer's states, and the loss
///   const Tensor total = loss + 0.1 * flow::vanishing_gradient_penalty(tape, loss, hidden);
///   optimizer.update(model, outer.gradient(total));
///
/// That derivative is exact. The paper's (eq. 10) leaves out how Omega depends on weights through h_t and
/// delta_t; a regularised step costs one gradient of the second order. Throws ValueError for less than two
/// states or where the loss depends on none of them.
Tensor vanishing_gradient_penalty(const Tape& tape, const Tensor& loss, const std::vector<Tensor>& hidden);

}  // namespace rill::flow
