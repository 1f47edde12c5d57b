#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rill/nn/fields.h"

// The weights of a model as values.

namespace rill::nn {

/// The values of parameters by dotted name, in the order of a model's fields.
using State = std::vector<std::pair<std::string, Tensor>>;

/// The weights as they are now: what happens to the model later does not change them.
State state(const Fields& fields);

/// All that keeps a state from fitting a model, a line each: names that are missing or unknown or given
/// twice, shapes and dtypes that differ. Empty when it fits.
std::string differences(const Fields& fields, const State& state);

/// Puts weights into a model. Throws ValueError, which lists all differences and begins with `where`; the
/// model is then as it was.
void load_state(const Fields& fields, const State& state, const std::string& where = "load_state");

template <Module M>
State state(const M& module) {
  return state(detail::fields_of(module));
}
template <Module M>
void load_state(M& module, const State& state) {
  load_state(module.fields(), state);
}

}  // namespace rill::nn
