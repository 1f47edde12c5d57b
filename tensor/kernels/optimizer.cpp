#include "rill/tensor/kernels/optimizer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/rows.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {
namespace {

using detail::TensorAccess;
using simd::load;
using simd::Packet;
using simd::store;

constexpr std::int64_t part_size = 16 * 1024;

// The rules: elements of a weight w, its gradient g and its slots, on packets. `used` says which slots there
// are.

/// a / b to about the last place, for b of at least 0. The square root that led to b keeps a processor's
/// divider busy already; AVX-512 estimates 1 / b to 2^-14, and a step of Newton's squares the error. Both
/// fail at infinity and at subnormal numbers, so b is kept among the others.
template <class T>
Packet<T> divide(Packet<T> a, Packet<T> b) {
  if constexpr (std::is_same_v<T, float> && simd::is_avx512<simd::Architecture>) {
    using Limits = std::numeric_limits<float>;
    const Packet<T> inside = Packet<T>::within(Limits::min(), Limits::max(), b);
    const Packet<T> estimate = xsimd::reciprocal(inside.v);
    return a * (estimate + estimate * (1 - inside * estimate));
  }
  return a / b;
}

/// What keeps a divisor from 0, also where the number is too small for the dtype.
template <class T>
Packet<T> above_0(double epsilon) {
  return std::max(static_cast<T>(epsilon), std::numeric_limits<T>::min());
}

/// A gradient whose square would not fit into the dtype as the largest whose sums of squares do: a rule that
/// divides by the root of squares moves as far by either. What is not finite stays.
template <class T>
Packet<T> squarable(Packet<T> g) {
  using Limits = std::numeric_limits<T>;
  constexpr T most = sizeof(T) == 4 ? T(1e16) : T(1e150);
  if (xsimd::any((abs(g) > most).bits)) [[unlikely]]
    return where(abs(g) > Limits::max(), g, where(abs(g) > most, most * sign(g), g));
  return g;
}

template <class T, bool Velocity>
struct Sgd {
  static constexpr std::array<bool, 3> used{Velocity, false, false};
  explicit Sgd(const SgdFactors& f)
      : rate(f.rate), momentum(f.momentum), weight_decay(f.weight_decay), nesterov(f.nesterov) {}
  void operator()(Packet<T>& w, Packet<T> g, Packet<T>& velocity, Packet<T>&, Packet<T>&) const {
    g = g + weight_decay * w;
    if constexpr (Velocity) {
      velocity = momentum * velocity + g;
      g = nesterov ? g + momentum * velocity : velocity;
    }
    w = w - rate * g;
  }
  Packet<T> rate, momentum, weight_decay;
  bool nesterov;
};

template <class T, bool Largest, bool Decays>
struct Adam {
  static constexpr std::array<bool, 3> used{true, true, Largest};
  explicit Adam(const AdamFactors& f)
      : rate(f.rate),
        keep(f.keep),
        rest1(1 - f.beta1),
        beta2(f.beta2),
        rest2(1 - f.beta2),
        root_scale(f.root_scale),
        epsilon(above_0<T>(f.epsilon)) {}
  void operator()(Packet<T>& w, Packet<T> g, Packet<T>& first, Packet<T>& second, Packet<T>& largest) const {
    g = squarable(g);
    first = first + rest1 * (g - first);
    second = beta2 * second + rest2 * square(g);
    Packet<T> divisor = second;
    if constexpr (Largest) divisor = largest = where(largest > second, largest, second);
    if constexpr (Decays) w = keep * w;
    w = w - divide(rate * first, root_scale * sqrt(divisor) + epsilon);
  }
  Packet<T> rate, keep, rest1, beta2, rest2, root_scale, epsilon;
};

template <class T, bool Mean, bool Velocity>
struct RmsProp {
  static constexpr std::array<bool, 3> used{true, Mean, Velocity};
  explicit RmsProp(const RmsPropFactors& f)
      : rate(f.rate), rho(f.rho), rest(1 - f.rho), momentum(f.momentum), epsilon(above_0<T>(f.epsilon)) {}
  void operator()(Packet<T>& w, Packet<T> g, Packet<T>& mean_square, Packet<T>& mean,
                  Packet<T>& velocity) const {
    g = squarable(g);
    mean_square = rho * mean_square + rest * square(g);
    Packet<T> variance = mean_square;
    if constexpr (Mean) {
      mean = rho * mean + rest * g;
      // Rounding may bring the difference of two nearly equal numbers below 0.
      variance = mean_square - square(mean);
      variance = where(variance < 0, Packet<T>(0), variance);
    }
    Packet<T> change = divide(g, sqrt(variance) + epsilon);
    if constexpr (Velocity) change = velocity = momentum * velocity + change;
    w = w - rate * change;
  }
  Packet<T> rate, rho, rest, momentum, epsilon;
};

template <class T>
struct Adagrad {
  static constexpr std::array<bool, 3> used{true, false, false};
  explicit Adagrad(const AdagradFactors& f) : rate(f.rate), epsilon(above_0<T>(f.epsilon)) {}
  void operator()(Packet<T>& w, Packet<T> g, Packet<T>& sum, Packet<T>&, Packet<T>&) const {
    g = squarable(g);
    sum = sum + square(g);
    w = w - divide(rate * g, sqrt(sum) + epsilon);
  }
  Packet<T> rate, epsilon;
};

template <class T>
struct Average {
  static constexpr std::array<bool, 3> used{};
  explicit Average(const AverageFactors& f) : decay(f.decay), rest(1 - f.decay) {}
  void operator()(Packet<T>& w, Packet<T> g, Packet<T>&, Packet<T>&, Packet<T>&) const {
    w = decay * w + rest * g;
  }
  Packet<T> decay, rest;
};

// A tensor to be changed: `source` is read and `target` written, which are one where it has a sole owner.
struct Change {
  Tensor* tensor = nullptr;
  Tensor source;
  Tensor target;
  std::optional<detail::WriteExposed> in_place;

  void prepare(Tensor* changed) {
    tensor = changed;
    if (!changed) return;
    if (TensorAccess::sole_owner(*changed) && changed->is_contiguous()) {
      in_place.emplace(*changed);
      TensorAccess::make_writable(*changed);
      source = target = *changed;
    } else {
      source = contiguous(*changed);
      target = Tensor::empty(changed->shape(), changed->dtype());
    }
  }
  void commit() {
    if (tensor) *tensor = std::move(target);
  }
};

// One step with everything allocated, and the loop for its dtype and slots.
template <class Factors>
struct Prepared {
  Change weight;
  std::array<Change, 3> slots;
  Tensor gradient;
  const Factors* factors;
  void (*run)(const Prepared&, std::int64_t begin, std::int64_t end);
};

template <class T, class Rule, class Factors>
void run(const Prepared<Factors>& step, std::int64_t begin, std::int64_t end) {
  const Rule rule(*step.factors);
  const auto source = [](const Change& change) {
    return change.tensor ? TensorAccess::data<T>(change.source) : nullptr;
  };
  const auto target = [](const Change& change) {
    return change.tensor ? TensorAccess::raw<T>(change.target) : nullptr;
  };
  const T *gradient = TensorAccess::data<T>(step.gradient), *weight = source(step.weight);
  const T *slot0 = source(step.slots[0]), *slot1 = source(step.slots[1]), *slot2 = source(step.slots[2]);
  T *new_weight = target(step.weight), *new_slot0 = target(step.slots[0]);
  T *new_slot1 = target(step.slots[1]), *new_slot2 = target(step.slots[2]);
  const auto update = [&](std::int64_t i, std::int64_t left) {
    Packet<T> w = load(weight + i, left), a, b, c;
    if constexpr (Rule::used[0]) a = load(slot0 + i, left);
    if constexpr (Rule::used[1]) b = load(slot1 + i, left);
    if constexpr (Rule::used[2]) c = load(slot2 + i, left);
    rule(w, load(gradient + i, left), a, b, c);
    if constexpr (Rule::used[0]) store(new_slot0 + i, left, a);
    if constexpr (Rule::used[1]) store(new_slot1 + i, left, b);
    if constexpr (Rule::used[2]) store(new_slot2 + i, left, c);
    store(new_weight + i, left, w);
  };
  constexpr std::int64_t width = Packet<T>::width;
  std::int64_t i = begin;
  for (; i + width <= end; i += width) update(i, width);
  if (i < end) update(i, end - i);
}

template <class T>
auto choose(const OptimizerStep<SgdFactors>& step) {
  return step.slots[0] ? &run<T, Sgd<T, true>, SgdFactors> : &run<T, Sgd<T, false>, SgdFactors>;
}
template <class T>
auto choose(const OptimizerStep<AdamFactors>& step) {
  if (step.factors.keep == 1)
    return step.slots[2] ? &run<T, Adam<T, true, false>, AdamFactors>
                         : &run<T, Adam<T, false, false>, AdamFactors>;
  return step.slots[2] ? &run<T, Adam<T, true, true>, AdamFactors>
                       : &run<T, Adam<T, false, true>, AdamFactors>;
}
template <class T>
auto choose(const OptimizerStep<RmsPropFactors>& step) {
  if (step.slots[1])
    return step.slots[2] ? &run<T, RmsProp<T, true, true>, RmsPropFactors>
                         : &run<T, RmsProp<T, true, false>, RmsPropFactors>;
  return step.slots[2] ? &run<T, RmsProp<T, false, true>, RmsPropFactors>
                       : &run<T, RmsProp<T, false, false>, RmsPropFactors>;
}
template <class T>
auto choose(const OptimizerStep<AdagradFactors>&) {
  return &run<T, Adagrad<T>, AdagradFactors>;
}
template <class T>
auto choose(const OptimizerStep<AverageFactors>&) {
  return &run<T, Average<T>, AverageFactors>;
}

struct Part {
  std::size_t step;
  std::int64_t begin, end;
};

template <class Factors>
void run_all(std::span<const OptimizerStep<Factors>> steps) {
  std::vector<Prepared<Factors>> prepared(steps.size());
  std::vector<Part> parts;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const OptimizerStep<Factors>& step = steps[i];
    prepared[i].weight.prepare(step.weight);
    for (std::size_t s = 0; s < 3; ++s) prepared[i].slots[s].prepare(step.slots[s]);
    prepared[i].gradient = contiguous(step.gradient);
    prepared[i].factors = &step.factors;
    prepared[i].run = step.weight->dtype() == DType::float32 ? choose<float>(step) : choose<double>(step);
    const std::int64_t n = step.weight->count();
    for (std::int64_t begin = 0; begin < n; begin += part_size)
      parts.push_back({i, begin, std::min(begin + part_size, n)});
    total += n;
  }

  detail::parallel_parts_if(total > part_size, static_cast<std::int64_t>(parts.size()), [&](std::int64_t p) {
    const Part& part = parts[static_cast<std::size_t>(p)];
    prepared[part.step].run(prepared[part.step], part.begin, part.end);
  });

  for (auto& step : prepared) {
    step.weight.commit();
    for (Change& slot : step.slots) slot.commit();
  }
}

template <class T>
double sum_of_squares(const T* x, std::int64_t n) {
  constexpr std::int64_t lanes = 16;
  std::array<double, lanes> sums{};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const auto value = static_cast<double>(x[i + lane]);
      sums[static_cast<std::size_t>(lane)] += value * value;
    }
  double total = 0;
  for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace

void optimizer_steps(std::span<const OptimizerStep<SgdFactors>> steps) { run_all(steps); }
void optimizer_steps(std::span<const OptimizerStep<AdamFactors>> steps) { run_all(steps); }
void optimizer_steps(std::span<const OptimizerStep<RmsPropFactors>> steps) { run_all(steps); }
void optimizer_steps(std::span<const OptimizerStep<AdagradFactors>> steps) { run_all(steps); }
void optimizer_steps(std::span<const OptimizerStep<AverageFactors>> steps) { run_all(steps); }

double sum_of_squares(const Tensor& x) {
  const Tensor dense = contiguous(x);
  const std::int64_t n = dense.count();
  std::vector<double> sums(static_cast<std::size_t>((n + part_size - 1) / part_size));
  detail::parallel_parts(static_cast<std::int64_t>(sums.size()), [&](std::int64_t p) {
    const std::int64_t begin = p * part_size;
    const std::int64_t length = std::min(part_size, n - begin);
    sums[static_cast<std::size_t>(p)] =
        dense.dtype() == DType::float32 ? sum_of_squares(TensorAccess::data<float>(dense) + begin, length)
                                        : sum_of_squares(TensorAccess::data<double>(dense) + begin, length);
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace rill::kernels
