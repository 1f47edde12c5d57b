#include "rill/autograd/ops/gradient_control.h"

#include <cmath>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"

namespace rill {
namespace {

void check_bound(const char* function, double bound) {
  if (!(bound > 0) || !std::isfinite(bound))
    throw ValueError(fmt::format("{}: a bound of {}; expected a finite number above 0", function, bound));
}

Axes all_but_the_first(const Tensor& x) {
  Dims axes;
  for (std::int64_t i = 1; i < x.rank(); ++i) axes.push_back(i);
  return Axes(axes);
}

Tensor clip_rows(const Tensor& g, double bound) {
  const Tensor length = g.rank() <= 1 ? abs(g) : norm(g, all_but_the_first(g), {.keepdims = true});
  const Tensor too_long = isfinite(length) * (length > bound);
  return where(too_long, g / where(too_long, length, 1) * bound, g);
}

Tensor noisy(const Tensor& x, double deviation, Generator* generator) {
  if (!(deviation >= 0) || !std::isfinite(deviation))
    throw ValueError(
        fmt::format("add_gradient_noise: a deviation of {}; expected a finite number, 0 or more", deviation));
  return on_gradient(x, [deviation, generator](const Tensor& g) {
    Generator& from = generator ? *generator : default_generator();
    return g + from.normal(g.shape(), 0, deviation, g.dtype());
  });
}

}  // namespace

Tensor stop_gradient(const Tensor& x) {
  detail::require_values("stop_gradient", x);
  return detail::untracked(x);
}

Tensor on_gradient(const Tensor& x, std::function<Tensor(const Tensor&)> f) {
  detail::require_function("on_gradient", f);
  return record("on_gradient", x, wrt(x, [f = std::move(f)](const Tensor& g) {
                  Tensor changed = f(g);
                  if (!changed.defined())
                    throw ValueError("on_gradient: the function's result holds no value");
                  return changed;
                }));
}

Tensor scale_gradient(const Tensor& x, double factor) {
  return on_gradient(x, [factor](const Tensor& g) { return g * factor; });
}

Tensor reverse_gradient(const Tensor& x, double strength) { return scale_gradient(x, -strength); }

Tensor clip_gradient_value(const Tensor& x, double bound) {
  check_bound("clip_gradient_value", bound);
  return on_gradient(x, [bound](const Tensor& g) { return clamp(g, -bound, bound); });
}

Tensor clip_gradient_norm(const Tensor& x, double bound) {
  check_bound("clip_gradient_norm", bound);
  return on_gradient(x, [bound](const Tensor& g) { return clip_rows(g, bound); });
}

Tensor add_gradient_noise(const Tensor& x, double deviation) { return noisy(x, deviation, nullptr); }

Tensor add_gradient_noise(const Tensor& x, double deviation, Generator& generator) {
  return noisy(x, deviation, &generator);
}

}  // namespace rill
