#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rill/autograd/gradients.h"
#include "rill/nn/fields.h"
#include "rill/optim/state.h"

namespace rill::optim {

/// What the optimisers of this folder have in common; Adam, SGD and the others are names for it with their
/// options.
///
/// An update changes every trainable parameter that has a gradient. A parameter without one this time, or a
/// frozen one, stays as it is, and so do its moments. Copies are independent. Where a rule divides by the
/// root of squares of the gradient, an element beyond 1e16 (float64: 1e150), whose square would hardly fit
/// into the dtype, counts as that.
template <class Options>
class BuiltIn {
 public:
  /// Throws ValueError for options outside of their domain.
  explicit BuiltIn(Options options = {});

  /// One step. Throws, before anything is changed: ValueError for a gradient of a parameter that the model
  /// does not name (a part left out of fields(); take optim::only(model, gradients) where that is meant), for
  /// a group that matches no parameter and for a learning rate that is not finite or below 0; ShapeError and
  /// DTypeError for a gradient unlike its parameter.
  template <nn::Module M>
  void update(M& model, const Gradients& gradients) {
    update(nn::parameters(model), gradients);
  }
  void update(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients);

  /// The learning rate of the next update, outside of groups.
  double learning_rate() const;
  double learning_rate_factor() const { return state_.learning_rate_factor; }
  /// Multiplies every learning rate from now on, those of groups too. Throws ValueError unless finite and at
  /// least 0.
  void set_learning_rate_factor(double factor);

  const Options& options() const { return options_; }
  const State& state() const { return state_; }
  /// Goes on from a state. Throws ValueError, listing all that does not fit the model, with nothing changed.
  template <nn::Module M>
  void set_state(M& model, State state) {
    set_state(nn::parameters(model), std::move(state));
  }
  void set_state(const std::vector<nn::NamedParameter>& parameters, State state);

 private:
  void resolve_groups(const std::vector<nn::NamedParameter>& parameters);

  Options options_;
  State state_;
  // The settings of each parameter, for the names that the last update had.
  std::vector<std::string> names_;
  std::vector<Options> settings_;
};

}  // namespace rill::optim
