#pragma once

#include <cstdint>
#include <vector>

#include "rill/autograd/gradients.h"

namespace rill::flow {

/// How much of a gradient is noise. With G the gradient of the expected loss and S the covariance of the
/// gradient of one example (McCandlish et al. 2018, "An Empirical Model of Large-Batch Training"):
struct GradientNoise {
  struct PerParameter {
    std::uint64_t parameter = 0;  ///< Parameter::id()
    double norm = 0;              ///< of the mean gradient
    double noise = 0;             ///< the square root of the trace of the covariance of a batch's gradient
    double signal_to_noise = 0;   ///< norm / noise; infinite without noise
  };
  /// An unbiased estimate of |G|^2, which may come out negative where noise is all there is.
  double squared_norm = 0;
  double trace = 0;        ///< an unbiased estimate of tr(S)
  double noise_scale = 0;  ///< tr(S) / |G|^2, their B_simple (eq. 2.9): the batch size beyond which a larger
                           ///< one helps little; infinite where the estimate of |G|^2 is not above 0
  std::vector<PerParameter> parameters;
};

/// Gathers gradients of independent batches of one size at the same, or nearly the same, weights. Keeps their
/// running mean and a number for each parameter (Welford 1962). A batch costs two passes over its gradients.
class NoiseMeter {
 public:
  /// Throws ValueError for a batch size below 1.
  explicit NoiseMeter(std::int64_t batch_size = 1);

  /// Throws ValueError where the parameters are not those of the first batch.
  void add(const Gradients& gradients);
  std::int64_t batches() const { return batches_; }
  /// Throws ValueError for less than two batches.
  GradientNoise result() const;

 private:
  struct Part {
    std::uint64_t parameter;
    Tensor mean;
    double scatter = 0;  ///< the sum of squared distances from the mean
  };
  std::int64_t batch_size_, batches_ = 0;
  std::vector<Part> parts_;
};

/// From the gradients of batches of one size, or of single examples (`per_example_gradients`). Equal to the
/// estimate from two batch sizes of McCandlish et al. (eq. A.2), with one batch and all of them as the sizes.
GradientNoise gradient_noise(const std::vector<Gradients>& gradients, std::int64_t batch_size = 1);

}  // namespace rill::flow
