#include "rill/flow/saturation.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::flow {

Saturation saturation(const std::vector<Tensor>& gate, SaturationOptions options) {
  if (gate.empty()) throw ValueError("saturation: no time steps");
  if (!(options.low <= options.high))
    throw ValueError(
        fmt::format("saturation: low {} and high {}; expected low <= high", options.low, options.high));
  const Shape shape = gate.front().shape();
  if (shape.size() == 0 || gate.front().count() == 0)
    throw ValueError(fmt::format("saturation: values of shape {}; expected [batch, ...]", to_string(shape)));
  const auto units = static_cast<std::size_t>(gate.front().count() / shape[0]);
  Shape unit_shape;
  for (int i = 1; i < shape.size(); ++i) unit_shape.push_back(shape[i]);
  std::vector<double> low(gate.size()), high(gate.size()), unit_low(units), unit_high(units);
  for (std::size_t t = 0; t < gate.size(); ++t) {
    if (!(gate[t].shape() == shape))
      throw ShapeError(fmt::format("saturation: step {} has shape {}, step 0 {}", t,
                                   to_string(gate[t].shape()), to_string(shape)));
    const auto values = gate[t].to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double is_low = values[i]<options.low, is_high = values[i]> options.high;
      low[t] += is_low;
      high[t] += is_high;
      unit_low[i % units] += is_low;
      unit_high[i % units] += is_high;
    }
  }
  const auto share = [](std::vector<double>& counts, double of) {
    for (double& count : counts) count /= of;
  };
  const auto per_step = static_cast<double>(gate.front().count());
  const double per_unit = static_cast<double>(gate.size()) * static_cast<double>(shape[0]);
  share(low, per_step);
  share(high, per_step);
  share(unit_low, per_unit);
  share(unit_high, per_unit);
  return {Tensor::from(low), Tensor::from(high), Tensor::from(unit_low, unit_shape),
          Tensor::from(unit_high, unit_shape)};
}

Histogram histogram(const std::vector<Tensor>& values, double low, double high, std::int64_t bins) {
  if (!(low < high) || !std::isfinite(low) || !std::isfinite(high) || bins < 1)
    throw ValueError(fmt::format("histogram: {} bins from {} to {}; expected low < high and at least one bin",
                                 bins, low, high));
  const auto size = static_cast<std::size_t>(bins);
  Histogram out{low, high, rill::detail::with_memory("histogram", size, sizeof(std::int64_t), [&] {
                  return std::vector<std::int64_t>(size);
                })};
  for (const Tensor& tensor : values)
    for (const double v : tensor.to_vector<double>()) {
      if (std::isnan(v))
        ++out.nans;
      else if (v < low)
        ++out.below;
      else if (v > high)
        ++out.above;
      else {
        const auto bin = static_cast<std::int64_t>((v - low) / (high - low) * static_cast<double>(bins));
        ++out.counts[static_cast<std::size_t>(std::min(bin, bins - 1))];
      }
    }
  return out;
}

Histogram histogram(const Tensor& values, double low, double high, std::int64_t bins) {
  return histogram(std::vector<Tensor>{values}, low, high, bins);
}

}  // namespace rill::flow
