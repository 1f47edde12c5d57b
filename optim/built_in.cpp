#include "rill/optim/built_in.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "rill/optim/clip.h"
#include "rill/optim/groups.h"
#include "rill/optim/rules.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"

namespace rill::optim {
namespace {

using detail::Rule;

std::vector<Slot> present(std::vector<Slot> slots) {
  std::erase_if(slots, [](const Slot& slot) { return slot.name.empty(); });
  return slots;
}

// A gradient that belongs to no parameter of the model is most often a part left out of fields().
void check_all_named(const char* rule, const std::vector<nn::NamedParameter>& parameters,
                     const Gradients& gradients) {
  std::unordered_set<std::uint64_t> known;
  for (const auto& [name, parameter] : parameters) known.insert(parameter->id());
  std::vector<std::string> unknown;
  for (const auto& [id, value] : gradients)
    if (!known.contains(id)) unknown.push_back(to_string(value.shape()));
  if (!unknown.empty())
    throw ValueError(
        fmt::format("{}: the gradients of {} parameter(s), of shape {}, belong to none that the model's "
                    "fields() name; name them "
                    "there, or pass optim::only(model, gradients)",
                    rule, unknown.size(), fmt::join(unknown, ", ")));
}

void check_alike(const char* rule, const std::string& name, const char* what, const Tensor& value,
                 const Parameter& parameter) {
  if (value.shape() != parameter.shape())
    throw ShapeError(fmt::format("{}: the {} of \"{}\" has shape {}, the parameter {}", rule, what, name,
                                 to_string(value.shape()), to_string(parameter.shape())));
  if (value.dtype() != parameter.dtype())
    throw DTypeError(fmt::format("{}: the {} of \"{}\" is {}, the parameter {}", rule, what, name,
                                 rill::name(value.dtype()), rill::name(parameter.dtype())));
}

// For parameters that have a gradient for the first time.
void add_states(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients,
                const std::vector<Slot>& slots, State& state) {
  std::map<std::string, ParameterState> added;
  for (const auto& [name, parameter] : parameters) {
    if (!gradients.contains(*parameter) || state.parameters.contains(name)) continue;
    ParameterState& fresh = added[name];
    for (const Slot& slot : slots)
      fresh.slots.emplace(slot.name, kernels::full(parameter->shape(), slot.initial, parameter->dtype()));
  }
  state.parameters.merge(added);
}

template <class Options>
double rate_at(const Options& options, const State& state) {
  const auto step = static_cast<double>(state.step);
  return options.learning_rate(state.step) / (1 + options.decay * step) * state.learning_rate_factor;
}

}  // namespace

template <class Options>
BuiltIn<Options>::BuiltIn(Options options) : options_(std::move(options)) {
  state_.rule = Rule<Options>::name;
  check(options_.clip);
  Rule<Options>::check(options_);
  for (const auto& group : options_.groups) {
    Options overridden = options_;
    Rule<Options>::override_by(overridden, group.settings);
    Rule<Options>::check(overridden);
  }
}

template <class Options>
double BuiltIn<Options>::learning_rate() const {
  return rate_at(options_, state_);
}

template <class Options>
void BuiltIn<Options>::set_learning_rate_factor(double factor) {
  if (!(std::isfinite(factor) && factor >= 0))
    throw ValueError(fmt::format("{}: a learning rate factor of {}; expected a finite number of at least 0",
                                 state_.rule, factor));
  state_.learning_rate_factor = factor;
}

template <class Options>
void BuiltIn<Options>::set_state(const std::vector<nn::NamedParameter>& parameters, State state) {
  check_fits(state, Rule<Options>::name, present(Rule<Options>::slots(options_)), parameters);
  state_ = std::move(state);
}

template <class Options>
void BuiltIn<Options>::resolve_groups(const std::vector<nn::NamedParameter>& parameters) {
  const auto same = [](const nn::NamedParameter& p, const std::string& name) { return p.name == name; };
  if (std::equal(parameters.begin(), parameters.end(), names_.begin(), names_.end(), same)) return;
  for (const auto& group : options_.groups) check_matched(group.pattern, Rule<Options>::name, parameters);
  std::vector<std::string> names;
  std::vector<Options> settings;
  for (const auto& [name, parameter] : parameters) {
    names.push_back(name);
    settings.push_back(options_);
    settings.back().groups.clear();
    for (const auto& group : options_.groups)
      if (matches(group.pattern, name)) Rule<Options>::override_by(settings.back(), group.settings);
  }
  names_ = std::move(names);
  settings_ = std::move(settings);
}

template <class Options>
void BuiltIn<Options>::update(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients) {
  constexpr const char* rule = Rule<Options>::name;
  using Factors = decltype(Rule<Options>::factors(options_, 0.0, 1));
  const std::vector<Slot> slots = Rule<Options>::slots(options_);
  resolve_groups(parameters);
  check_all_named(rule, parameters, gradients);

  // Everything that may throw comes before the first change.
  struct Changed {
    std::size_t place;
    double rate;
  };
  std::vector<Changed> changed;
  Gradients used;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    const Tensor* gradient = parameter->trainable ? gradients.find(*parameter) : nullptr;
    if (!gradient) continue;
    check_alike(rule, name, "gradient", *gradient, *parameter);
    const auto known = state_.parameters.find(name);
    if (known != state_.parameters.end())
      for (const auto& [slot, value] : known->second.slots)
        check_alike(rule, name, slot.c_str(), value, *parameter);
    changed.push_back({i, rate_at(settings_[i], state_)});
    used.set(parameter->id(), *gradient);
  }
  apply(options_.clip, used);

  add_states(parameters, used, present(slots), state_);

  std::vector<kernels::OptimizerStep<Factors>> steps;
  for (const auto& [place, rate] : changed) {
    const auto& [name, parameter] = parameters[place];
    ParameterState& state = state_.parameters.at(name);
    kernels::OptimizerStep<Factors> step{&parameter->mutable_value(),
                                         used[*parameter],
                                         {},
                                         Rule<Options>::factors(settings_[place], rate, state.updates + 1)};
    for (std::size_t s = 0; s < slots.size(); ++s)
      if (!slots[s].name.empty()) step.slots[s] = &state.slots.at(slots[s].name);
    steps.push_back(std::move(step));
  }
  kernels::optimizer_steps(std::span<const kernels::OptimizerStep<Factors>>(steps));
  for (const auto& [place, rate] : changed) ++state_.parameters.at(parameters[place].name).updates;
  ++state_.step;
}

template class BuiltIn<SGDOptions>;
template class BuiltIn<AdamOptions>;
template class BuiltIn<AdamWOptions>;
template class BuiltIn<RMSpropOptions>;
template class BuiltIn<AdagradOptions>;

}  // namespace rill::optim
