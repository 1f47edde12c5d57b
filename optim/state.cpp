#include "rill/optim/state.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "rill/tensor/error.h"

namespace rill::optim {
namespace {

void check_squares(const std::string& what, const Tensor& value, std::vector<std::string>& differences) {
  for (const double square : value.to_vector<double>())
    if (!(square >= 0)) {
      differences.push_back(fmt::format("{} holds {}; expected squares, of 0 or more", what, square));
      return;
    }
}

void compare(const std::string& name, const ParameterState& state, std::int64_t step,
             const std::vector<Slot>& slots, const Parameter& parameter,
             std::vector<std::string>& differences) {
  if (state.updates < 0) differences.push_back(fmt::format("\"{}\" counts {} updates", name, state.updates));
  if (step >= 0 && state.updates > step)
    differences.push_back(fmt::format("\"{}\" counts {} updates in {} steps", name, state.updates, step));
  for (const Slot& slot : slots) {
    const auto found = state.slots.find(slot.name);
    if (found == state.slots.end() || !found->second.defined()) {
      differences.push_back(fmt::format("\"{}\" lacks its {}", name, slot.name));
      continue;
    }
    const Tensor& value = found->second;
    if (value.shape() != parameter.shape())
      differences.push_back(fmt::format("{} of \"{}\" has shape {}, the parameter {}", slot.name, name,
                                        to_string(value.shape()), to_string(parameter.shape())));
    if (value.dtype() != parameter.dtype())
      differences.push_back(fmt::format("{} of \"{}\" is {}, the parameter {}", slot.name, name,
                                        rill::name(value.dtype()), rill::name(parameter.dtype())));
    else if (slot.of_squares)
      check_squares(fmt::format("{} of \"{}\"", slot.name, name), value, differences);
  }
  for (const auto& [slot, value] : state.slots)
    if (std::none_of(slots.begin(), slots.end(),
                     [&slot = slot](const Slot& known) { return known.name == slot; }))
      differences.push_back(
          fmt::format("\"{}\" has a {} that the optimiser with its options does not use", name, slot));
}

}  // namespace

void check_fits(const State& state, const std::string& rule, const std::vector<Slot>& slots,
                const std::vector<nn::NamedParameter>& parameters) {
  if (state.rule != rule)
    throw ValueError(fmt::format("{}: the state does not fit: it is of \"{}\"", rule, state.rule));
  std::vector<std::string> differences;
  if (state.step < 0) differences.push_back(fmt::format("it counts {} steps", state.step));
  if (!(std::isfinite(state.learning_rate_factor) && state.learning_rate_factor >= 0))
    differences.push_back(fmt::format("its learning rate factor is {}", state.learning_rate_factor));
  for (const auto& [name, parameter_state] : state.parameters) {
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [&name = name](const nn::NamedParameter& p) { return p.name == name; });
    if (found == parameters.end())
      differences.push_back(fmt::format("the model has no parameter \"{}\"", name));
    else
      compare(name, parameter_state, state.step, slots, *found->parameter, differences);
  }
  if (!differences.empty())
    throw ValueError(fmt::format("{}: the state does not fit: {}", rule, fmt::join(differences, "; ")));
}

}  // namespace rill::optim
