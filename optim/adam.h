#pragma once

#include <optional>
#include <vector>

#include "rill/optim/built_in.h"
#include "rill/optim/clip.h"
#include "rill/optim/groups.h"
#include "rill/optim/schedule.h"

namespace rill::optim {

struct AdamOverrides {
  std::optional<Schedule> learning_rate{};
  std::optional<double> decay{};
  std::optional<double> beta1{};
  std::optional<double> beta2{};
  std::optional<double> epsilon{};
};

/// Keras's defaults.
struct AdamOptions {
  Schedule learning_rate = 1e-3;
  double decay = 0;       ///< divides the rate by 1 + decay * step, as Keras's option of that name
  double beta1 = 0.9;     ///< in [0, 1)
  double beta2 = 0.999;   ///< in [0, 1)
  double epsilon = 1e-7;  ///< above 0
  bool amsgrad = false;   ///< divide by the largest second moment so far (Reddi et al. 2018)
  Clip clip{};
  std::vector<Group<AdamOverrides>> groups{};
};

struct AdamWOverrides {
  std::optional<Schedule> learning_rate{};
  std::optional<double> decay{};
  std::optional<double> beta1{};
  std::optional<double> beta2{};
  std::optional<double> epsilon{};
  std::optional<double> weight_decay{};
};

/// Keras's defaults.
struct AdamWOptions {
  Schedule learning_rate = 1e-3;
  double decay = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-7;
  double weight_decay = 4e-3;  ///< at least 0
  bool amsgrad = false;
  Clip clip{};
  std::vector<Group<AdamWOverrides>> groups{};
};

extern template class BuiltIn<AdamOptions>;
extern template class BuiltIn<AdamWOptions>;

/// Adam (Kingma and Ba 2015, algorithm 1): with m and v the running means of the gradient and of its square,
/// each divided by 1 - beta^t,  w -= rate * m / (sqrt(v) + epsilon).  Keras adds epsilon to the root before v
/// is corrected. Slots: "first_moment", "second_moment", with amsgrad "largest_second_moment".
///
///   optim::Adam adam{{.learning_rate = 1e-4, .decay = 1e-6}};
///   adam.update(model, tape.gradient(loss));
using Adam = BuiltIn<AdamOptions>;

/// Adam whose weights shrink by rate * weight_decay * w at every update, apart from the moments (Loshchilov
/// and Hutter 2019). Biases are often left out: `.groups = {{"*.bias", {.weight_decay = 0}}}`.
using AdamW = BuiltIn<AdamWOptions>;

}  // namespace rill::optim
