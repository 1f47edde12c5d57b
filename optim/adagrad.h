#pragma once

#include <optional>
#include <vector>

#include "rill/optim/built_in.h"
#include "rill/optim/clip.h"
#include "rill/optim/groups.h"
#include "rill/optim/schedule.h"

namespace rill::optim {

struct AdagradOverrides {
  std::optional<Schedule> learning_rate{};
  std::optional<double> decay{};
  std::optional<double> epsilon{};
};

/// Keras's defaults.
struct AdagradOptions {
  Schedule learning_rate = 1e-3;
  double decay = 0;                  ///< divides the rate by 1 + decay * step
  double initial_accumulator = 0.1;  ///< at least 0: what the sum of squares starts from
  double epsilon = 1e-7;             ///< above 0
  Clip clip{};
  std::vector<Group<AdagradOverrides>> groups{};
};

extern template class BuiltIn<AdagradOptions>;

/// Adagrad (Duchi et al. 2011): with s the sum of all g^2 so far, w -= rate * g / (sqrt(s) + epsilon).
/// Slot: "sum_of_squares".
using Adagrad = BuiltIn<AdagradOptions>;

}  // namespace rill::optim
