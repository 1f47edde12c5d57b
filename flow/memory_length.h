#pragma once

#include "rill/tensor/tensor.h"

namespace rill::flow {

/// The number of steps in which what a cell remembers, or a gradient on its way back, falls by a factor of e:
/// -1 / exponent, for the largest Lyapunov exponent (Engelken et al. 2020). Infinite for an exponent of 0 or
/// above, 0 for -infinity. Throws ValueError for NaN.
double memory_length(double largest_exponent);

/// An exponential through a decay curve.
struct DecayFit {
  double rate = 0;          ///< of log norm a step back in time: below 0 where it decays
  double memory_length;     ///< memory_length(rate)
  double r_squared = 0;     ///< how much of the variance of log norm the line explains: 1 for an exponential
  std::int64_t points = 0;  ///< steps that the line goes through
};

/// Fits log norm = a + rate (T - 1 - t) by least squares to norms [time] or [time, batch], such as those of
/// dL/dh_t for a loss at the last step. Of a batch it takes the mean of logarithms at each step. Steps where
/// a norm is 0 are left out: nothing arrived, or it underflowed. Throws ShapeError for other ranks,
/// DTypeError for int64, ValueError for norms that are negative or not finite and where fewer than two
/// steps remain.
DecayFit fit_decay(const Tensor& norms);

}  // namespace rill::flow
