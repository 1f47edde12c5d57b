#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "rill/flow/only_cell.h"
#include "rill/nn/recurrent.h"

namespace rill::flow {

struct JacobianOptions {
  /// One part of the state alone, with the others held: 0 is dh_t/dh_{t-1}, 1 of an LSTM dc_t/dc_{t-1}.
  std::optional<std::int64_t> part = {};
  /// The parts of the first state, each [batch, ...]; empty for the cell's own.
  std::vector<Tensor> initial = {};
};

namespace detail {
Tensor state_jacobians(const nn::detail::CellReference& cell, const Tensor& x,
                       const JacobianOptions& options);
}

/// The Jacobian of each step of a cell that x [batch, time, features] drives: [time, batch, n, n] of x's
/// dtype, whose [t, b, i, j] is ds_t[i] / ds_{t-1}[j]. s is the whole state, its parts one after another ({h,
/// c} for an LSTM). Exact, in one reverse sweep a step: the state stands n times in the batch, each time with
/// another row of the identity as cotangent. What is in the batch of a cell must therefore not mix.
///
/// Throws ShapeError for an x of another rank or without steps, and initial parts that do not fit; ValueError
/// for a part that is not there.
template <nn::Cell C>
Tensor state_jacobians(const C& cell, const Tensor& x, const JacobianOptions& options = {}) {
  return detail::state_jacobians(nn::detail::refer_to(cell), x, options);
}

/// The same for a layer of one cell. Throws ValueError for more.
template <nn::Cell C>
Tensor state_jacobians(const nn::Recurrent<C>& layer, const Tensor& x, const JacobianOptions& options = {}) {
  return state_jacobians(detail::only_cell(layer, "state_jacobians"), x, options);
}

/// A matrix for each example, as matrix * exp(log_scale): products of many Jacobians leave the range of a
/// double.
struct ScaledMatrices {
  Tensor matrix;     ///< float64 [batch, n, n], the largest element of each 1 (0 for a zero matrix)
  Tensor log_scale;  ///< float64 [batch]
};

/// ds_{end-1} / ds_{begin-1}, the product J_{end-1} ... J_begin of Jacobians [time, batch, n, n] (Bengio et
/// al. 1994; Pascanu et al. 2013, eq. 5). Its rounding error is relative to the largest element. Throws
/// ShapeError for other shapes, ValueError unless 0 <= begin < end <= time.
ScaledMatrices product_of_jacobians(const Tensor& jacobians, std::int64_t begin, std::int64_t end);

// Of each of a stack of matrices [..., n, n] of a floating dtype, computed and returned in float64 by Eigen.
// They throw ShapeError for matrices that are not square, DTypeError for int64, ValueError for a value that
// is not finite.

/// [..., n], descending. Exact to a rounding error of the largest.
Tensor singular_values(const Tensor& matrices);
/// The logarithms of the singular values of scaled products: [batch, n], descending; -infinity for 0.
/// Those more than 36 below the largest are rounding errors of the product: a Lyapunov spectrum times the
/// number of steps is right for them too.
Tensor log_singular_values(const ScaledMatrices& product);
/// Those of ds_{T-1} / ds_{t-1} for each step t, by Jacobians [time, batch, n, n]: [time, batch, n]. By how
/// much a gradient can shrink or grow from the end of the sequence to t, and in how many directions.
Tensor log_singular_values_to_last(const Tensor& jacobians);
/// The largest singular value over the smallest: [...]; infinite for a singular matrix.
Tensor condition_numbers(const Tensor& matrices);
/// The largest modulus of an eigenvalue: [...].
Tensor spectral_radii(const Tensor& matrices);

}  // namespace rill::flow
