#include "rill/nn/dropout.h"

#include "fmt/format.h"
#include "rill/autograd/recording.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/map.h"
#include "rill/tensor/random.h"

namespace rill::nn {
namespace {

void check(double rate) {
  if (!(rate >= 0 && rate < 1))
    throw ValueError(fmt::format("Dropout: a rate of {}; expected one in [0, 1)", rate));
}

}  // namespace

TrainingMode::TrainingMode(bool training) : before_(rill::detail::training_mode) {
  rill::detail::training_mode = training;
}
TrainingMode::~TrainingMode() { rill::detail::training_mode = before_; }

bool is_training() { return rill::detail::training_mode.value_or(is_recording()); }

Tensor dropout_mask(const Shape& shape, double rate, DType dtype) {
  check(rate);
  return bernoulli(shape, 1 - rate, dtype, 1 / (1 - rate));
}

Tensor dropout(const Tensor& x, double rate) {
  check(rate);
  rill::detail::require_values("dropout", x);
  return rate == 0 || !is_training() ? x : dropout(x, dropout_mask(x.shape(), rate, x.dtype()));
}

Tensor dropout(const Tensor& x, const Tensor& mask) {
  const auto keep = [](auto value, auto factor) {
    return where(factor > decltype(factor)(0), value * factor, factor);
  };
  return record("dropout", kernels::map("dropout", keep, x, mask),
                wrt(x, [mask](const Tensor& g) { return dropout(g, mask); }));
}

Dropout::Dropout(double rate_) : rate(rate_) { check(rate); }

}  // namespace rill::nn
