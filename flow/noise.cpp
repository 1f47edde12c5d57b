#include "rill/flow/noise.h"

#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/flow/length.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double squared(double x) { return x * x; }

}  // namespace

NoiseMeter::NoiseMeter(std::int64_t batch_size) : batch_size_(batch_size) {
  if (batch_size < 1)
    throw ValueError(fmt::format("NoiseMeter: a batch size of {}; expected at least 1", batch_size));
}

void NoiseMeter::add(const Gradients& gradients) {
  const PauseRecording pause;
  if (batches_ == 0)
    for (const auto& [parameter, value] : gradients) parts_.push_back({parameter, value * 0.0});
  bool same = gradients.size() == parts_.size();
  auto part = parts_.begin();
  for (auto entry = gradients.begin(); same && entry != gradients.end(); ++entry, ++part)
    same = entry->parameter == part->parameter;
  if (!same)
    throw ValueError(
        fmt::format("NoiseMeter: batch {} has gradients of other parameters than the first", batches_ + 1));
  ++batches_;
  part = parts_.begin();
  for (const auto& [parameter, value] : gradients) {
    const Tensor distance = value - part->mean;
    part->mean += distance * (1.0 / static_cast<double>(batches_));
    part->scatter +=
        squared(length(distance)) * static_cast<double>(batches_ - 1) / static_cast<double>(batches_);
    ++part;
  }
}

GradientNoise NoiseMeter::result() const {
  if (batches_ < 2) throw ValueError(fmt::format("NoiseMeter: {} batches; expected at least 2", batches_));
  const auto n = static_cast<double>(batches_);
  GradientNoise out;
  double mean_squared = 0, variance = 0;
  for (const Part& part : parts_) {
    const double norm = length(part.mean), noise = std::sqrt(part.scatter / (n - 1));
    out.parameters.push_back({part.parameter, norm, noise, noise > 0 ? norm / noise : infinity});
    mean_squared += squared(norm);
    variance += part.scatter / (n - 1);
  }
  out.squared_norm = mean_squared - variance / n;
  out.trace = variance * static_cast<double>(batch_size_);
  out.noise_scale = out.squared_norm > 0 ? out.trace / out.squared_norm : infinity;
  return out;
}

GradientNoise gradient_noise(const std::vector<Gradients>& gradients, std::int64_t batch_size) {
  NoiseMeter meter(batch_size);
  for (const Gradients& batch : gradients) meter.add(batch);
  return meter.result();
}

}  // namespace rill::flow
