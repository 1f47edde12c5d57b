#include "rill/optim/average.h"

#include <algorithm>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/optimizer.h"

namespace rill::optim {
namespace {

void check_fits(const WeightAverage::State& state, const std::vector<nn::NamedParameter>& parameters) {
  std::vector<std::string> differences;
  if (state.step < 0) differences.push_back(fmt::format("it counts {} steps", state.step));
  for (const auto& [name, parameter] : parameters) {
    const auto found = state.averages.find(name);
    if (found == state.averages.end() || !found->second.defined()) {
      differences.push_back(fmt::format("there is none of \"{}\"", name));
      continue;
    }
    const Tensor& average = found->second;
    if (average.shape() != parameter->shape())
      differences.push_back(fmt::format("that of \"{}\" has shape {}, the parameter {}", name,
                                        to_string(average.shape()), to_string(parameter->shape())));
    if (average.dtype() != parameter->dtype())
      differences.push_back(fmt::format("that of \"{}\" is {}, the parameter {}", name,
                                        rill::name(average.dtype()), rill::name(parameter->dtype())));
  }
  for (const auto& [name, average] : state.averages)
    if (std::none_of(parameters.begin(), parameters.end(),
                     [&name = name](const nn::NamedParameter& p) { return p.name == name; }))
      differences.push_back(fmt::format("the model has no parameter \"{}\"", name));
  if (!differences.empty())
    throw ValueError(
        fmt::format("WeightAverage: the averages do not fit the model: {}", fmt::join(differences, "; ")));
}

}  // namespace

WeightAverage::WeightAverage(double decay) : decay_(decay) {
  if (!(decay >= 0 && decay <= 1))
    throw ValueError(fmt::format("WeightAverage: decay is {}; expected a number from 0 to 1", decay));
}

void WeightAverage::update(const std::vector<nn::NamedParameter>& parameters) {
  if (state_.step == 0) {
    std::map<std::string, Tensor> averages;
    for (const auto& [name, parameter] : parameters) averages.emplace(name, parameter->value());
    state_ = {1, std::move(averages)};
    return;
  }
  check_fits(state_, parameters);
  std::vector<kernels::OptimizerStep<kernels::AverageFactors>> steps;
  for (const auto& [name, parameter] : parameters)
    steps.push_back({&state_.averages[name], parameter->value(), {}, {decay_}});
  kernels::optimizer_steps(std::span<const kernels::OptimizerStep<kernels::AverageFactors>>(steps));
  ++state_.step;
}

void WeightAverage::copy_to(const std::vector<nn::NamedParameter>& parameters) const {
  check_fits(state_, parameters);
  for (const auto& [name, parameter] : parameters) parameter->mutable_value() = state_.averages.at(name);
}

void WeightAverage::set_state(const std::vector<nn::NamedParameter>& parameters, State state) {
  if (state.step != 0 || !state.averages.empty()) check_fits(state, parameters);
  state_ = std::move(state);
}

WeightAverage::Scope::Scope(std::vector<nn::NamedParameter> parameters, const State& state)
    : parameters_(std::move(parameters)) {
  check_fits(state, parameters_);
  for (const auto& [name, parameter] : parameters_) weights_.push_back(parameter->value());
  for (const auto& [name, parameter] : parameters_) parameter->mutable_value() = state.averages.at(name);
}

WeightAverage::Scope::~Scope() {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    parameters_[i].parameter->mutable_value() = std::move(weights_[i]);
}

}  // namespace rill::optim
