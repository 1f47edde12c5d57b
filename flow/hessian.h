#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rill/nn/fields.h"
#include "rill/tensor/tensor.h"

namespace rill::flow {

struct LanczosOptions {
  std::int64_t iterations = 30;  ///< the most; each is one Hessian-vector product
  double tolerance = 1e-6;  ///< ends when the wanted residuals are below this times the largest |eigenvalue|
  std::uint64_t seed = 1;   ///< of the random first vector
};

/// The ends of a symmetric matrix's spectrum as Lanczos iteration sees them.
struct HessianSpectrum {
  std::vector<double> largest;    ///< falling
  std::vector<double> residuals;  ///< of each: some eigenvalue lies within that distance of it
  double smallest = 0;            ///< below 0: a direction of negative curvature
  Tensor direction;               ///< of the largest: a unit vector, float64 [parameters]
  std::int64_t iterations = 0;    ///< Hessian-vector products taken
};

/// The `count` largest eigenvalues of a symmetric linear map of float64 vectors of that size (Lanczos 1950,
/// with full reorthogonalisation: Golub and Van Loan, section 10.3). An eigenvalue that occurs several times
/// is found once. Memory: a vector an iteration. Throws ValueError for sizes and counts below 1 and for a
/// map that gives values that are not finite.
HessianSpectrum lanczos(const std::function<Tensor(const Tensor&)>& map, std::int64_t size,
                        std::int64_t count = 1, LanczosOptions options = {});

/// The largest eigenvalues of the Hessian of a loss, as a function of all trainable parameters of a model
/// that it depends on, taken in the order of their fields as one vector. 2 / the largest is the learning rate
/// beyond which gradient descent is unstable (LeCun et al. 1991; Cohen et al. 2021 on the "edge of
/// stability"). The loss and its gradient are recorded once; an iteration is one reverse sweep of that
/// recording (Pearlmutter 1994), measured at about three training steps. Products are in the dtype of the
/// model. Throws ValueError where the loss depends on no parameter of the model or is not finite.
HessianSpectrum hessian_spectrum(const nn::Fields& model, const std::function<Tensor()>& loss,
                                 std::int64_t count = 1, LanczosOptions options = {});
template <nn::Module M>
HessianSpectrum hessian_spectrum(M& model, const std::function<Tensor()>& loss, std::int64_t count = 1,
                                 LanczosOptions options = {}) {
  return hessian_spectrum(model.fields(), loss, count, options);
}

}  // namespace rill::flow
