#include "rill/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::optim {
namespace {

void require_rate(const char* schedule, double rate) {
  if (!(std::isfinite(rate) && rate >= 0))
    throw ValueError(
        fmt::format("{}: a learning rate of {}; expected a finite number of at least 0", schedule, rate));
}

void require_steps(const char* schedule, std::int64_t steps, std::int64_t least) {
  if (steps < least)
    throw ValueError(fmt::format("{}: {} steps; expected at least {}", schedule, steps, least));
}

void require_factor(const char* schedule, double factor) {
  if (!(factor > 0 && factor <= 1))
    throw ValueError(fmt::format("{}: a factor of {}; expected one above 0 and at most 1", schedule, factor));
}

}  // namespace

std::function<double(std::int64_t)> Schedule::constant(double rate) {
  require_rate("schedule", rate);
  return [rate](std::int64_t) { return rate; };
}

double Schedule::operator()(std::int64_t step) const {
  if (step < 0) throw ValueError(fmt::format("schedule: step {}; expected at least 0", step));
  if (!rate_) throw ValueError("schedule: the function is empty; expected rate(step)");
  const double rate = rate_(step);
  if (!(std::isfinite(rate) && rate >= 0))
    throw ValueError(fmt::format(
        "schedule: a learning rate of {} at step {}; expected a finite number of at least 0", rate, step));
  return rate;
}

Schedule inverse_time(double initial, double decay) {
  require_rate("inverse_time", initial);
  if (!(std::isfinite(decay) && decay >= 0))
    throw ValueError(
        fmt::format("inverse_time: a decay of {}; expected a finite number of at least 0", decay));
  return [=](std::int64_t step) { return initial / (1 + decay * static_cast<double>(step)); };
}

Schedule step_decay(double initial, double factor, std::int64_t every) {
  require_rate("step_decay", initial);
  require_factor("step_decay", factor);
  require_steps("step_decay", every, 1);
  return [=](std::int64_t step) { return initial * std::pow(factor, static_cast<double>(step / every)); };
}

Schedule exponential(double initial, double factor, std::int64_t every) {
  require_rate("exponential", initial);
  require_factor("exponential", factor);
  require_steps("exponential", every, 1);
  return [=](std::int64_t step) {
    return initial * std::pow(factor, static_cast<double>(step) / static_cast<double>(every));
  };
}

Schedule cosine(double initial, std::int64_t steps, double final) {
  require_rate("cosine", initial);
  require_rate("cosine", final);
  require_steps("cosine", steps, 1);
  return [=](std::int64_t step) {
    if (step >= steps) return final;
    const double part = static_cast<double>(step) / static_cast<double>(steps);
    return final + (initial - final) * 0.5 * (1 + std::cos(std::numbers::pi * part));
  };
}

Schedule linear(double first, double last, std::int64_t steps) {
  require_rate("linear", first);
  require_rate("linear", last);
  require_steps("linear", steps, 1);
  return [=](std::int64_t step) {
    if (step >= steps) return last;
    return first + (last - first) * (static_cast<double>(step) / static_cast<double>(steps));
  };
}

Schedule warm_up(std::int64_t steps, Schedule schedule) {
  require_steps("warm_up", steps, 0);
  return [steps, schedule = std::move(schedule)](std::int64_t step) {
    if (step >= steps) return schedule(step - steps);
    return schedule(0) * static_cast<double>(step + 1) / static_cast<double>(steps + 1);
  };
}

Schedule join(Schedule first, std::int64_t steps, Schedule second) {
  require_steps("join", steps, 0);
  return [first = std::move(first), steps, second = std::move(second)](std::int64_t step) {
    return step < steps ? first(step) : second(step - steps);
  };
}

Schedule operator*(double factor, Schedule schedule) {
  if (!(std::isfinite(factor) && factor >= 0))
    throw ValueError(fmt::format("schedule: a factor of {}; expected a finite number of at least 0", factor));
  return [factor, schedule = std::move(schedule)](std::int64_t step) { return factor * schedule(step); };
}

}  // namespace rill::optim
