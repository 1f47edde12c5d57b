#include "rill/autograd/gradcheck.h"

#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/random.h"

namespace rill {
namespace {

void require_float64(const Tensor& x, const std::string& what) {
  if (x.dtype() != DType::float64)
    throw DTypeError(
        fmt::format("gradcheck: {} is {}; central differences need float64", what, name(x.dtype())));
}

/// Watches the inputs, and gives the gradients for a cotangent of f's result; zeros where nothing flows.
std::vector<Tensor> gradients(const DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                              const Tensor& cotangent) {
  Tape tape;
  std::vector<Tensor> watched;
  for (const Tensor& x : inputs) watched.push_back(tape.watch(x));
  auto found = tape.gradient(Target(f(watched), cotangent), watched);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (!found[i].defined()) found[i] = kernels::full(inputs[i].shape(), 0, DType::float64);
  return found;
}

/// Calls f with one element of one input moved.
Tensor moved(const DifferentiableFunction& f, std::vector<Tensor> inputs, std::size_t input,
             std::int64_t element, double step) {
  Tensor& x = inputs[input];
  x = kernels::copy(x);
  detail::TensorAccess::raw<double>(x)[element] += step;
  return f(inputs);
}

std::string place(const Shape& shape, std::int64_t element) {
  Dims index(shape.size(), 0);
  for (int i = shape.size() - 1; i >= 0; --i) {
    index[i] = element % shape[i];
    element /= shape[i];
  }
  return to_string(index);
}

Tensor cotangent_for(const Tensor& y) { return Generator(20).uniform(y.shape(), -1, 1, DType::float64); }

}  // namespace

GradcheckResult gradcheck(const DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                          GradcheckOptions options) {
  detail::require_function("gradcheck", f);
  for (std::size_t i = 0; i < inputs.size(); ++i) require_float64(inputs[i], fmt::format("input {}", i));
  const Tensor y = f(inputs);
  require_float64(y, "the result");
  const Tensor cotangent = cotangent_for(y);
  const auto weights = cotangent.to_vector<double>();
  const auto found = gradients(f, inputs, cotangent);

  GradcheckResult result;
  double worst = -1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto analytic = found[i].to_vector<double>();
    for (std::int64_t k = 0; k < inputs[i].count(); ++k) {
      const auto after = moved(f, inputs, i, k, options.step).to_vector<double>();
      const auto before = moved(f, inputs, i, k, -options.step).to_vector<double>();
      double numeric = 0;
      for (std::size_t j = 0; j < weights.size(); ++j)
        numeric += weights[j] * ((after[j] - before[j]) / (2 * options.step));
      const double error = std::abs(analytic[static_cast<std::size_t>(k)] - numeric) /
                           (options.absolute + options.relative * std::abs(numeric));
      const double severity = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
      if (severity > 1) result.passed = false;
      if (severity <= worst) continue;
      worst = severity;
      result.message =
          fmt::format("input {}, element {}: gradient {}, central difference {}", i,
                      place(inputs[i].shape(), k), analytic[static_cast<std::size_t>(k)], numeric);
    }
  }
  return result;
}

GradcheckResult gradgradcheck(const DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                              GradcheckOptions options) {
  for (std::size_t i = 0; i < inputs.size(); ++i) require_float64(inputs[i], fmt::format("input {}", i));
  const Tensor y = f(inputs);
  require_float64(y, "the result");
  const auto first = [&f](const std::vector<Tensor>& all) {
    const std::vector<Tensor> x(all.begin(), all.end() - 1);
    std::vector<Tensor> flat;
    for (const Tensor& g : gradients(f, x, all.back())) flat.push_back(reshape(g, {g.count()}));
    return flat.empty() ? kernels::full({0}, 0, DType::float64) : concat(flat, 0);
  };
  std::vector<Tensor> all = inputs;
  all.push_back(cotangent_for(y));
  return gradcheck(first, all, options);
}

}  // namespace rill
