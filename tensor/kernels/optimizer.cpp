#include "rill/tensor/kernels/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {
namespace {

using detail::TensorAccess;

constexpr std::int64_t part_size = 16 * 1024;

// The rules: one element of a weight w, its gradient g and its slots. `used` says which slots there are.

template <class T, bool Velocity>
struct Sgd {
  static constexpr std::array<bool, 3> used{Velocity, false, false};
  explicit Sgd(const SgdFactors& f)
      : rate(static_cast<T>(f.rate)),
        momentum(static_cast<T>(f.momentum)),
        weight_decay(static_cast<T>(f.weight_decay)),
        nesterov(f.nesterov) {}
  void operator()(T& w, T g, T& velocity, T&, T&) const {
    g += weight_decay * w;
    if constexpr (Velocity) {
      velocity = momentum * velocity + g;
      g = nesterov ? g + momentum * velocity : velocity;
    }
    w -= rate * g;
  }
  T rate, momentum, weight_decay;
  bool nesterov;
};

template <class T, bool Largest>
struct Adam {
  static constexpr std::array<bool, 3> used{true, true, Largest};
  explicit Adam(const AdamFactors& f)
      : rate(static_cast<T>(f.rate)),
        keep(static_cast<T>(f.keep)),
        beta1(static_cast<T>(f.beta1)),
        rest1(static_cast<T>(1 - f.beta1)),
        beta2(static_cast<T>(f.beta2)),
        rest2(static_cast<T>(1 - f.beta2)),
        root_scale(static_cast<T>(f.root_scale)),
        epsilon(static_cast<T>(f.epsilon)) {}
  void operator()(T& w, T g, T& first, T& second, T& largest) const {
    first = beta1 * first + rest1 * g;
    second = beta2 * second + rest2 * (g * g);
    T divisor = second;
    if constexpr (Largest) divisor = largest = largest > second ? largest : second;
    w = keep * w - rate * first / (root_scale * std::sqrt(divisor) + epsilon);
  }
  T rate, keep, beta1, rest1, beta2, rest2, root_scale, epsilon;
};

template <class T, bool Mean, bool Velocity>
struct RmsProp {
  static constexpr std::array<bool, 3> used{true, Mean, Velocity};
  explicit RmsProp(const RmsPropFactors& f)
      : rate(static_cast<T>(f.rate)),
        rho(static_cast<T>(f.rho)),
        rest(static_cast<T>(1 - f.rho)),
        momentum(static_cast<T>(f.momentum)),
        epsilon(static_cast<T>(f.epsilon)) {}
  void operator()(T& w, T g, T& square, T& mean, T& velocity) const {
    square = rho * square + rest * (g * g);
    T variance = square;
    if constexpr (Mean) {
      mean = rho * mean + rest * g;
      // Rounding may bring the difference of two nearly equal numbers below 0.
      variance = square - mean * mean;
      variance = variance < 0 ? T(0) : variance;
    }
    T change = g / (std::sqrt(variance) + epsilon);
    if constexpr (Velocity) change = velocity = momentum * velocity + change;
    w -= rate * change;
  }
  T rate, rho, rest, momentum, epsilon;
};

template <class T>
struct Adagrad {
  static constexpr std::array<bool, 3> used{true, false, false};
  explicit Adagrad(const AdagradFactors& f)
      : rate(static_cast<T>(f.rate)), epsilon(static_cast<T>(f.epsilon)) {}
  void operator()(T& w, T g, T& sum, T&, T&) const {
    sum += g * g;
    w -= rate * g / (std::sqrt(sum) + epsilon);
  }
  T rate, epsilon;
};

template <class T>
struct Average {
  static constexpr std::array<bool, 3> used{};
  explicit Average(const AverageFactors& f)
      : decay(static_cast<T>(f.decay)), rest(static_cast<T>(1 - f.decay)) {}
  void operator()(T& w, T g, T&, T&, T&) const { w = decay * w + rest * g; }
  T decay, rest;
};

// A tensor to be changed: `source` is read and `target` written, which are one where it has a sole owner.
struct Change {
  Tensor* tensor = nullptr;
  Tensor source;
  Tensor target;

  void prepare(Tensor* changed) {
    tensor = changed;
    if (!changed) return;
    if (TensorAccess::sole_owner(*changed) && changed->is_contiguous()) {
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

// Source and target may be one, element by element, which keeps the compiler from SIMD unless it is told that
// no iteration reads what another writes. (Going through a block on the stack instead costs 1.4 to 1.8 times
// the time.)
#if defined(__clang__)
#define RILL_INDEPENDENT_ITERATIONS _Pragma("clang loop vectorize(assume_safety)")
#else
#define RILL_INDEPENDENT_ITERATIONS _Pragma("GCC ivdep")
#endif

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
  RILL_INDEPENDENT_ITERATIONS
  for (std::int64_t i = begin; i < end; ++i) {
    T w = weight[i], a = 0, b = 0, c = 0;
    if constexpr (Rule::used[0]) a = slot0[i];
    if constexpr (Rule::used[1]) b = slot1[i];
    if constexpr (Rule::used[2]) c = slot2[i];
    rule(w, gradient[i], a, b, c);
    if constexpr (Rule::used[0]) new_slot0[i] = a;
    if constexpr (Rule::used[1]) new_slot1[i] = b;
    if constexpr (Rule::used[2]) new_slot2[i] = c;
    new_weight[i] = w;
  }
}

template <class T>
auto choose(const OptimizerStep<SgdFactors>& step) {
  return step.slots[0] ? &run<T, Sgd<T, true>, SgdFactors> : &run<T, Sgd<T, false>, SgdFactors>;
}
template <class T>
auto choose(const OptimizerStep<AdamFactors>& step) {
  return step.slots[2] ? &run<T, Adam<T, true>, AdamFactors> : &run<T, Adam<T, false>, AdamFactors>;
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

  const auto run_part = [&](std::int64_t p) {
    const Part& part = parts[static_cast<std::size_t>(p)];
    prepared[part.step].run(prepared[part.step], part.begin, part.end);
  };
  const auto count = static_cast<std::int64_t>(parts.size());
  if (total <= part_size)
    for (std::int64_t p = 0; p < count; ++p) run_part(p);
  else
    detail::parallel_parts(count, run_part);

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
