#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rill/nn/recurrent_observer.h"
#include "rill/tensor/tensor.h"

namespace rill::flow {

/// The Euclidean norm of each example's row at each time step: float64 [time, batch], from tensors
/// [batch, ...] by time step, such as the gradients dL/dh_t of which Bengio et al. (1994) and Pascanu et al.
/// (2013, eq. 5) ask how they vanish. A tensor that holds no value, as a gradient where nothing flows, counts
/// as zeros. Sums are taken in double and scaled where squares would underflow, so that norms down to 1e-300
/// are right. Throws ShapeError for batches that differ, ValueError for no tensors or none that holds a
/// value.
Tensor norms_over_time(const std::vector<Tensor>& by_time);

/// The norms of dL/dh_t, and of every other part of a state such as an LSTM's dL/dc_t, against t, for each
/// layer, direction and example. While one is in scope, the sweep for the parameters' gradients takes them as
/// it passes, in a model as it is:
///
///   flow::GradientNorms norms;
///   Tape tape;
///   const Tensor loss = ...;                       // uses recurrent layers
///   const Gradients gradients = tape.gradient(loss);
///   norms.cells()[0][0]                            // ||dL/dh_t|| of the first layer, [time, batch]
///   norms.cells()[0][1]                            // ||dL/dc_t||, of an LSTM
///
/// Between tapes begin_again() forgets the cells seen so far. A cell inside checkpoint() is there twice: as
/// it ran, with zeros, and as the sweep ran it again. Costs a pass over the gradients of the states.
class GradientNorms : private nn::RecurrentObserver {
 public:
  GradientNorms();

  void begin_again();
  /// For each cell in the order in which they ran (layer 0 forward, layer 0 backward, layer 1 forward, ... of
  /// one layer after the other), for each part of its state: float64 [time, batch], by the sweep that ran
  /// last. 0 where nothing came back.
  std::vector<std::vector<Tensor>> cells() const;

 private:
  struct Cell;
  void begin_cell(std::int64_t steps) override;
  void end_step(std::int64_t time, std::vector<Tensor>& state) override;

  std::vector<std::shared_ptr<Cell>> cells_;
};

}  // namespace rill::flow
