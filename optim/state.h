#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rill/nn/fields.h"
#include "rill/tensor/tensor.h"

namespace rill::optim {

/// What an optimiser remembers of one parameter.
struct ParameterState {
  std::int64_t updates = 0;  ///< how often it was changed; Adam's bias correction counts by it
  std::map<std::string, Tensor>
      slots{};  ///< such as "first_moment", each with the parameter's shape and dtype
};

/// What an optimiser remembers: everything that a run needs, beside the options, to go on as if it had not
/// stopped. A copy is a snapshot that later updates do not change.
struct State {
  std::string rule{};               ///< "adam", ...: what the slots mean
  std::int64_t step = 0;            ///< updates done, where the schedule stands
  double learning_rate_factor = 1;  ///< multiplies every learning rate; callbacks lower it
  std::map<std::string, ParameterState>
      parameters{};  ///< by name; none for a parameter that had no gradient yet
};

/// A slot that a rule keeps for every parameter.
struct Slot {
  std::string name;
  double initial = 0;
  bool of_squares = false;  ///< holds no number below 0
};

/// Throws one ValueError that lists all that does not fit: another rule, names that the model does not have,
/// slots that lack or are too many, shapes and dtypes that differ from the parameter's, sums of squares below
/// 0 or NaN, counts below 0, more updates of a parameter than steps, factors that are not finite.
void check_fits(const State& state, const std::string& rule, const std::vector<Slot>& slots,
                const std::vector<nn::NamedParameter>& parameters);

}  // namespace rill::optim
