#pragma once

#include <optional>
#include <string>

#include "rill/nn/fields.h"

namespace rill::nn {

/// Says, for as long as it is in scope and on this thread, whether dropout acts. Without one it acts while a
/// tape records. TrainingMode on(true) gives Monte Carlo dropout without a tape; TrainingMode off(false)
/// freezes it under one.
class TrainingMode {
 public:
  explicit TrainingMode(bool training);
  ~TrainingMode();
  TrainingMode(const TrainingMode&) = delete;
  TrainingMode& operator=(const TrainingMode&) = delete;

 private:
  std::optional<bool> before_;
};

/// Whether dropout acts now.
bool is_training();

/// x with each element set to 0 with probability `rate`, and the others divided by 1 - rate, when dropout
/// acts; else x (Srivastava et al. 2014). Draws from default_generator().
Tensor dropout(const Tensor& x, double rate);

/// What dropout multiplies by: 0 with probability `rate`, else 1 / (1 - rate).
Tensor dropout_mask(const Shape& shape, double rate, DType dtype);

/// x times such a mask, which broadcasts to it: what is dropped is 0, even an infinity or NaN.
Tensor dropout(const Tensor& x, const Tensor& mask);

struct Dropout {
  double rate;
  /// Throws ValueError unless 0 <= rate < 1.
  explicit Dropout(double rate);
  Tensor operator()(const Tensor& x) const { return dropout(x, rate); }
  Fields fields() { return {}; }
  std::string kind() const { return "Dropout"; }
};

}  // namespace rill::nn
