#include "rill/flow/memory_length.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

// {steps back in time, mean log norm} where no norm is 0.
std::vector<std::pair<double, double>> log_curve(const Tensor& norms) {
  const auto values = norms.to_vector<double>();
  const std::int64_t time = norms.size(0), batch = norms.count() / std::max<std::int64_t>(time, 1);
  std::vector<std::pair<double, double>> curve;
  for (std::int64_t t = 0; t < time; ++t) {
    double sum = 0;
    for (std::int64_t b = 0; b < batch; ++b) {
      const double norm = values[static_cast<std::size_t>(t * batch + b)];
      if (!(norm >= 0) || std::isinf(norm))
        throw ValueError(fmt::format("fit_decay: a norm of {} at step {}", norm, t));
      sum += std::log(norm);
    }
    if (batch > 0 && std::isfinite(sum))
      curve.emplace_back(static_cast<double>(time - 1 - t), sum / static_cast<double>(batch));
  }
  return curve;
}

}  // namespace

double memory_length(double largest_exponent) {
  if (std::isnan(largest_exponent)) throw ValueError("memory_length: an exponent that is NaN");
  return largest_exponent < 0 ? -1 / largest_exponent : std::numeric_limits<double>::infinity();
}

DecayFit fit_decay(const Tensor& norms) {
  if (norms.rank() != 1 && norms.rank() != 2)
    throw ShapeError(fmt::format("fit_decay: norms of shape {}; expected [time] or [time, batch]",
                                 to_string(norms.shape())));
  if (!is_floating(norms.dtype())) throw DTypeError("fit_decay: norms of int64; expected float32 or float64");
  const auto curve = log_curve(norms);
  if (curve.size() < 2)
    throw ValueError(
        fmt::format("fit_decay: {} steps with norms above 0; expected at least 2", curve.size()));
  const auto count = static_cast<double>(curve.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0, yy = 0;
  for (const auto& [x, y] : curve) {
    mean_x += x / count;
    mean_y += y / count;
  }
  for (const auto& [x, y] : curve) {
    xx += (x - mean_x) * (x - mean_x);
    xy += (x - mean_x) * (y - mean_y);
    yy += (y - mean_y) * (y - mean_y);
  }
  const double rate = xy / xx;
  return {rate, memory_length(rate), yy > 0 ? rate * xy / yy : 1, static_cast<std::int64_t>(curve.size())};
}

}  // namespace rill::flow
