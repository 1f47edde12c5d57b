#pragma once

#include <cstdint>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::nn {

/// What instruments see of the recurrent layers of this thread, from an observer's construction to its
/// destruction. Layers call all observers, in the order of their construction; without any, a step costs
/// nothing more.
class RecurrentObserver {
 public:
  RecurrentObserver(const RecurrentObserver&) = delete;
  RecurrentObserver& operator=(const RecurrentObserver&) = delete;

  /// Whether cells are to apply their input projection step by step instead of to the whole sequence at once,
  /// so that each step makes its own use of every parameter. Values are the same but for rounding.
  virtual bool wants_separate_steps() const { return false; }
  /// A cell begins a sequence. Layers and directions follow each other as they run.
  virtual void begin_cell([[maybe_unused]] std::int64_t steps) {}
  /// From here on parameters are used for that step, counted in the order of the sequence; -1: for none.
  virtual void begin_step([[maybe_unused]] std::int64_t time) {}
  /// The state after that step. Its parts may be replaced by equal values, such as on_gradient() gives.
  virtual void end_step([[maybe_unused]] std::int64_t time, [[maybe_unused]] std::vector<Tensor>& state) {}

  /// Those of this thread.
  static const std::vector<RecurrentObserver*>& all();

 protected:
  RecurrentObserver();
  virtual ~RecurrentObserver();
};

}  // namespace rill::nn
