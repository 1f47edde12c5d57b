#pragma once

#include <optional>
#include <vector>

#include "rill/autograd/gradients.h"
#include "rill/nn/fields.h"

namespace rill::optim {

// Bounds on gradients. A norm is that of all elements, summed in double, however large or small they are. A
// gradient that holds NaN or an infinity has no length that it could be scaled to: it is passed on as it is,
// so that the trouble shows where it arose, and with it all gradients that share the norm. All throw
// ValueError for a bound that is not above 0 and finite.

/// The square root of the sum of the squares of all elements of all gradients; NaN or infinity where one of
/// them holds such a number.
double global_norm(const Gradients& gradients);

/// Every element into [-bound, bound]; NaN stays NaN.
void clip_by_value(Gradients& gradients, double bound);
/// Every parameter's gradient that is longer than `bound` scaled to that length.
void clip_by_norm(Gradients& gradients, double bound);
/// All gradients scaled by one factor, so that their global norm is at most `bound` (Pascanu et al. 2013).
/// Returns the global norm before.
double clip_by_global_norm(Gradients& gradients, double bound);

/// What an optimiser does to gradients before it uses them: nothing, unless one of these is set.
struct Clip {
  std::optional<double> value{};
  std::optional<double> norm{};
  std::optional<double> global_norm{};
};
/// Throws ValueError when more than one is set, or a bound is not above 0 and finite.
void check(const Clip& clip);
void apply(const Clip& clip, Gradients& gradients);

/// The gradients of these parameters alone, where a loss depends on other models too.
Gradients only(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients);
template <nn::Module M>
Gradients only(M& model, const Gradients& gradients) {
  return only(nn::parameters(model), gradients);
}

}  // namespace rill::optim
