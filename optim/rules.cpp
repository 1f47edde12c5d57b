#include "rill/optim/rules.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::optim::detail {
namespace {

void require_at_least_0(const char* rule, const char* option, double value) {
  if (!(std::isfinite(value) && value >= 0))
    throw ValueError(
        fmt::format("{}: {} is {}; expected a finite number of at least 0", rule, option, value));
}
void require_above_0(const char* rule, const char* option, double value) {
  if (!(std::isfinite(value) && value > 0))
    throw ValueError(fmt::format("{}: {} is {}; expected a finite number above 0", rule, option, value));
}
void require_below_1(const char* rule, const char* option, double value) {
  if (!(value >= 0 && value < 1))
    throw ValueError(
        fmt::format("{}: {} is {}; expected a number of at least 0 and below 1", rule, option, value));
}

template <class T>
void take(T& option, const std::optional<T>& override_value) {
  if (override_value) option = *override_value;
}

// A slot is there for every parameter where one of the groups needs it, so that all states look alike.
template <class Options>
bool has_momentum(const Options& options) {
  return options.momentum > 0 ||
         std::any_of(options.groups.begin(), options.groups.end(),
                     [](const auto& group) { return group.settings.momentum.value_or(0) > 0; });
}

template <class Options>
void check_adam(const char* rule, const Options& options) {
  require_at_least_0(rule, "decay", options.decay);
  require_below_1(rule, "beta1", options.beta1);
  require_below_1(rule, "beta2", options.beta2);
  require_above_0(rule, "epsilon", options.epsilon);
}

/// 1 - beta^t, with all digits for a beta near 1, too.
double bias_correction(double beta, double t) { return -std::expm1(t * std::log(beta)); }

template <class Options>
kernels::AdamFactors adam_factors(const Options& options, double rate, std::int64_t updates) {
  const auto t = static_cast<double>(updates);
  return {.rate = rate / bias_correction(options.beta1, t),
          .keep = 1,
          .beta1 = options.beta1,
          .beta2 = options.beta2,
          .root_scale = 1 / std::sqrt(bias_correction(options.beta2, t)),
          .epsilon = options.epsilon};
}

std::vector<Slot> adam_slots(bool amsgrad) {
  return {{"first_moment"}, {"second_moment", 0, true}, {amsgrad ? "largest_second_moment" : "", 0, true}};
}

}  // namespace

void Rule<SGDOptions>::check(const SGDOptions& options) {
  require_at_least_0(name, "decay", options.decay);
  require_below_1(name, "momentum", options.momentum);
  require_at_least_0(name, "weight_decay", options.weight_decay);
  if (options.nesterov && !has_momentum(options))
    throw ValueError("sgd: nesterov looks ahead along the velocity; set momentum above 0");
}
void Rule<SGDOptions>::override_by(SGDOptions& options, const SGDOverrides& overrides) {
  take(options.learning_rate, overrides.learning_rate);
  take(options.decay, overrides.decay);
  take(options.momentum, overrides.momentum);
  take(options.weight_decay, overrides.weight_decay);
}
std::vector<Slot> Rule<SGDOptions>::slots(const SGDOptions& options) {
  return {{has_momentum(options) ? "velocity" : ""}};
}
kernels::SgdFactors Rule<SGDOptions>::factors(const SGDOptions& options, double rate, std::int64_t) {
  return {.rate = rate,
          .momentum = options.momentum,
          .weight_decay = options.weight_decay,
          .nesterov = options.nesterov};
}

void Rule<AdamOptions>::check(const AdamOptions& options) { check_adam(name, options); }
void Rule<AdamOptions>::override_by(AdamOptions& options, const AdamOverrides& overrides) {
  take(options.learning_rate, overrides.learning_rate);
  take(options.decay, overrides.decay);
  take(options.beta1, overrides.beta1);
  take(options.beta2, overrides.beta2);
  take(options.epsilon, overrides.epsilon);
}
std::vector<Slot> Rule<AdamOptions>::slots(const AdamOptions& options) { return adam_slots(options.amsgrad); }
kernels::AdamFactors Rule<AdamOptions>::factors(const AdamOptions& options, double rate,
                                                std::int64_t updates) {
  return adam_factors(options, rate, updates);
}

void Rule<AdamWOptions>::check(const AdamWOptions& options) {
  check_adam(name, options);
  require_at_least_0(name, "weight_decay", options.weight_decay);
}
void Rule<AdamWOptions>::override_by(AdamWOptions& options, const AdamWOverrides& overrides) {
  take(options.learning_rate, overrides.learning_rate);
  take(options.decay, overrides.decay);
  take(options.beta1, overrides.beta1);
  take(options.beta2, overrides.beta2);
  take(options.epsilon, overrides.epsilon);
  take(options.weight_decay, overrides.weight_decay);
}
std::vector<Slot> Rule<AdamWOptions>::slots(const AdamWOptions& options) {
  return adam_slots(options.amsgrad);
}
kernels::AdamFactors Rule<AdamWOptions>::factors(const AdamWOptions& options, double rate,
                                                 std::int64_t updates) {
  kernels::AdamFactors factors = adam_factors(options, rate, updates);
  factors.keep = 1 - rate * options.weight_decay;
  return factors;
}

void Rule<RMSpropOptions>::check(const RMSpropOptions& options) {
  require_at_least_0(name, "decay", options.decay);
  require_below_1(name, "rho", options.rho);
  require_below_1(name, "momentum", options.momentum);
  require_above_0(name, "epsilon", options.epsilon);
}
void Rule<RMSpropOptions>::override_by(RMSpropOptions& options, const RMSpropOverrides& overrides) {
  take(options.learning_rate, overrides.learning_rate);
  take(options.decay, overrides.decay);
  take(options.rho, overrides.rho);
  take(options.momentum, overrides.momentum);
  take(options.epsilon, overrides.epsilon);
}
std::vector<Slot> Rule<RMSpropOptions>::slots(const RMSpropOptions& options) {
  return {
      {"mean_square", 0, true}, {options.centered ? "mean" : ""}, {has_momentum(options) ? "velocity" : ""}};
}
kernels::RmsPropFactors Rule<RMSpropOptions>::factors(const RMSpropOptions& options, double rate,
                                                      std::int64_t) {
  return {.rate = rate, .rho = options.rho, .momentum = options.momentum, .epsilon = options.epsilon};
}

void Rule<AdagradOptions>::check(const AdagradOptions& options) {
  require_at_least_0(name, "decay", options.decay);
  require_at_least_0(name, "initial_accumulator", options.initial_accumulator);
  require_above_0(name, "epsilon", options.epsilon);
}
void Rule<AdagradOptions>::override_by(AdagradOptions& options, const AdagradOverrides& overrides) {
  take(options.learning_rate, overrides.learning_rate);
  take(options.decay, overrides.decay);
  take(options.epsilon, overrides.epsilon);
}
std::vector<Slot> Rule<AdagradOptions>::slots(const AdagradOptions& options) {
  return {{"sum_of_squares", options.initial_accumulator, true}};
}
kernels::AdagradFactors Rule<AdagradOptions>::factors(const AdagradOptions& options, double rate,
                                                      std::int64_t) {
  return {.rate = rate, .epsilon = options.epsilon};
}

}  // namespace rill::optim::detail
