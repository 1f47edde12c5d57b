#pragma once

#include <cstdint>
#include <vector>

#include "rill/flow/only_cell.h"
#include "rill/nn/recurrent.h"

namespace rill::flow {

struct LyapunovOptions {
  std::int64_t exponents = 0;  ///< how many, the largest first; 0 for all n
  /// Steps at the start that do not count: the state reaches its attractor and the directions their order.
  std::int64_t warm_up = 0;
  /// Steps from one QR decomposition to the next. In between, directions grow apart by exp(steps * (largest -
  /// smallest exponent)), of which a double holds 16 digits.
  std::int64_t orthonormalize_every = 1;
  /// The parts of the first state, each [batch, ...]; empty for the cell's own.
  std::vector<Tensor> initial = {};
};

/// Exponents in natural logarithms a step. Where a Jacobian is singular they reach -infinity.
struct LyapunovSpectrum {
  std::vector<double> exponents;  ///< the means of all examples, descending
  Tensor by_example;              ///< float64 [batch, k], each descending
  Tensor running;  ///< float64 [QR decompositions, k]: the means up to then, to see them settle
  std::vector<std::int64_t> running_steps;  ///< the steps that each row of `running` counts

  /// The mean growth of volumes; of all n exponents the mean log|det J|.
  double sum() const;
};

namespace detail {
LyapunovSpectrum lyapunov_spectrum(const nn::detail::CellReference& cell, const Tensor& x,
                                   const LyapunovOptions& options);
}

/// The Lyapunov exponents of a cell that x [batch, time, features] drives (zeros leave it to itself): how
/// fast perturbations of the state grow, and gradients on their way back with them. By carrying k
/// orthonormal directions along and decomposing them again, Q R = J Q, exponents being the means of log
/// |R_ii| (Benettin et al. 1980; for recurrent networks Engelken et al. 2020, Vogt et al. 2020). The first
/// directions are random, always the same. The state is of all parts: n = 2 hidden for an LSTM.
///
/// Up to half of all exponents, directions are carried by differentiating the vector-Jacobian product (one
/// sweep of k rows, twice); for more, whole Jacobians (one sweep of n rows) and a product are the faster way.
///
/// Throws ShapeError for an x of another rank or without steps, and initial parts that do not fit; ValueError
/// for options out of range, and where directions stop being finite.
template <nn::Cell C>
LyapunovSpectrum lyapunov_spectrum(const C& cell, const Tensor& x, const LyapunovOptions& options = {}) {
  return detail::lyapunov_spectrum(nn::detail::refer_to(cell), x, options);
}

/// The same for a layer of one cell. Throws ValueError for more.
template <nn::Cell C>
LyapunovSpectrum lyapunov_spectrum(const nn::Recurrent<C>& layer, const Tensor& x,
                                   const LyapunovOptions& options = {}) {
  return lyapunov_spectrum(detail::only_cell(layer, "lyapunov_spectrum"), x, options);
}

/// The dimension of the attractor that a descending spectrum suggests (Kaplan and Yorke 1979): the number of
/// exponents whose sum is not negative, and the part of the next that brings it to 0. With too few exponents
/// for their sum to become negative it is their number, a lower bound. Throws ValueError for none and for
/// ones that do not descend.
double kaplan_yorke_dimension(const std::vector<double>& exponents);

}  // namespace rill::flow
