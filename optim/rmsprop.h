#pragma once

#include <optional>
#include <vector>

#include "rill/optim/built_in.h"
#include "rill/optim/clip.h"
#include "rill/optim/groups.h"
#include "rill/optim/schedule.h"

namespace rill::optim {

struct RMSpropOverrides {
  std::optional<Schedule> learning_rate{};
  std::optional<double> decay{};
  std::optional<double> rho{};
  std::optional<double> momentum{};
  std::optional<double> epsilon{};
};

/// Keras's defaults.
struct RMSpropOptions {
  Schedule learning_rate = 1e-3;
  double decay = 0;       ///< divides the rate by 1 + decay * step
  double rho = 0.9;       ///< in [0, 1): the part of the mean that each step keeps
  double momentum = 0;    ///< in [0, 1)
  double epsilon = 1e-7;  ///< above 0
  bool centered = false;  ///< divide by the deviation from the running mean (Graves 2013)
  Clip clip{};
  std::vector<Group<RMSpropOverrides>> groups{};
};

extern template class BuiltIn<RMSpropOptions>;

/// RMSprop (Tieleman and Hinton 2012): with v the running mean of g^2, w -= rate * g / (sqrt(v) + epsilon).
/// Centred, v less the square of the running mean of g takes its place. With momentum the quotients gather in
/// a velocity as in SGD. Slots: "mean_square", with centered "mean", and where there is momentum outside of
/// groups or in one "velocity".
using RMSprop = BuiltIn<RMSpropOptions>;

}  // namespace rill::optim
