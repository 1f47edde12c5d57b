#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace rill::optim {

/// A learning rate as a function of the number of updates done before: a number, one of the functions below,
/// or any callable `double(std::int64_t step)`. A schedule holds no state, so where it stands follows from
/// the step alone.
///
///   optim::Adam adam{{.learning_rate = optim::warm_up(500, optim::cosine(1e-3, 20'000))}};
class Schedule {
 public:
  /// The same rate at every step. Throws ValueError unless it is finite and at least 0.
  template <class T>
  requires std::integral<T> || std::floating_point<T> Schedule(T rate)
      : rate_(constant(static_cast<double>(rate))) {}  // NOLINT: a number is a schedule
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Schedule> && std::is_invocable_r_v<double, F&, std::int64_t>)
      Schedule(F&& rate)
      : rate_(std::forward<F>(rate)) {}  // NOLINT: a function is a schedule

  /// The rate of the update that follows `step` others. Throws ValueError for a step below 0, and where the
  /// schedule gives a rate that is not finite or below 0.
  double operator()(std::int64_t step) const;

 private:
  static std::function<double(std::int64_t)> constant(double rate);
  std::function<double(std::int64_t)> rate_;
};

// All of these throw ValueError for counts of steps below 1 (warm_up and join: below 0), and for factors
// outside of what they say.

/// initial / (1 + decay * step), Keras's `decay`; decay at least 0.
Schedule inverse_time(double initial, double decay);
/// initial * factor^(step / every), the quotient rounded down; factor in (0, 1].
Schedule step_decay(double initial, double factor, std::int64_t every);
/// initial * factor^(step / every), falling at every step; factor in (0, 1].
Schedule exponential(double initial, double factor, std::int64_t every);
/// Half a cosine from initial to final over `steps` steps, and final from then on (Loshchilov and Hutter
/// 2017).
Schedule cosine(double initial, std::int64_t steps, double final = 0);
/// A straight line from first to last over `steps` steps, and last from then on.
Schedule linear(double first, double last, std::int64_t steps);

/// Rises in a straight line to the first rate of `schedule`, which follows after `steps` steps and counts
/// from 0 then: the rate at step s < steps is (s + 1) / (steps + 1) of it.
Schedule warm_up(std::int64_t steps, Schedule schedule);
/// `first` for so many steps, then `second`, which counts from 0.
Schedule join(Schedule first, std::int64_t steps, Schedule second);
/// The rates of a schedule times a factor of at least 0.
Schedule operator*(double factor, Schedule schedule);

}  // namespace rill::optim
