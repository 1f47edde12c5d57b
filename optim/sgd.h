#pragma once

#include <optional>
#include <vector>

#include "rill/optim/built_in.h"
#include "rill/optim/clip.h"
#include "rill/optim/groups.h"
#include "rill/optim/schedule.h"

namespace rill::optim {

struct SGDOverrides {
  std::optional<Schedule> learning_rate{};
  std::optional<double> decay{};
  std::optional<double> momentum{};
  std::optional<double> weight_decay{};
};

/// Keras's defaults.
struct SGDOptions {
  Schedule learning_rate = 1e-2;
  double decay = 0;       ///< divides the rate by 1 + decay * step
  double momentum = 0;    ///< in [0, 1)
  bool nesterov = false;  ///< look ahead by one step of the velocity (Sutskever et al. 2013); needs momentum
  double weight_decay = 0;  ///< at least 0; adds weight_decay * w to the gradient
  Clip clip{};
  std::vector<Group<SGDOverrides>> groups{};
};

extern template class BuiltIn<SGDOptions>;

/// Gradient descent: velocity = momentum * velocity + g;  w -= rate * velocity, or with nesterov
/// w -= rate * (g + momentum * velocity).  The rate is outside of the velocity, so a change of it acts at
/// once. Slot, where there is momentum outside of groups or in one: "velocity".
using SGD = BuiltIn<SGDOptions>;

}  // namespace rill::optim
