#pragma once

#include <cstdint>
#include <vector>

#include "rill/tensor/tensor.h"

namespace rill::flow {

/// Beyond which values a gate counts as saturated.
struct SaturationOptions {
  double low = 0.1;
  double high = 0.9;
};

/// How often a gate is closed (below `low`) or open (above `high`), as shares in [0, 1], float64.
struct Saturation {
  Tensor low, high;            ///< [time]: of all units and examples at a step
  Tensor unit_low, unit_high;  ///< the shape of one example: of each unit, over all steps and examples
};

/// The saturation of a gate from its values [batch, ...] by time step (Karpathy, Johnson and Fei-Fei 2015,
/// section 4.3, whose scatter plots have a dot at (unit_low, unit_high) for each unit). NaN is neither low
/// nor high. One pass over the values. Throws ShapeError for shapes that differ, ValueError for no steps, an
/// empty batch or low above high.
Saturation saturation(const std::vector<Tensor>& gate, SaturationOptions options = {});

/// The numbers of values in equal bins.
struct Histogram {
  double low = 0, high = 0;
  std::vector<std::int64_t> counts;             ///< bin i begins at low + i (high - low) / bins
  std::int64_t below = 0, above = 0, nans = 0;  ///< what no bin holds
};

/// The distribution of activations: value v is in bin floor((v - low) / (high - low) * bins), `high` itself
/// in the last. Throws ValueError unless low < high, both finite, and there is a bin.
Histogram histogram(const Tensor& values, double low, double high, std::int64_t bins = 50);
/// Of all of them together.
Histogram histogram(const std::vector<Tensor>& values, double low, double high, std::int64_t bins = 50);

}  // namespace rill::flow
