#pragma once

#include <cmath>
#include <vector>

#include "rill/autograd/gradients.h"
#include "rill/nn/fields.h"

namespace optim_test {

using namespace rill;

/// A model of two parts, whose gradients a test sets by hand.
struct Layer {
  Parameter kernel, bias;
  nn::Fields fields() { return {{"kernel", kernel}, {"bias", bias}}; }
};
struct Model {
  Layer hidden, output;
  nn::Fields fields() { return {{"hidden", hidden}, {"output", output}}; }
};

template <class T = double>
std::vector<T> wave(std::int64_t count, double phase) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<T>(std::sin(phase + 0.7 * static_cast<double>(i))));
  return values;
}
template <class T = double>
Tensor wave_tensor(const Shape& shape, double phase) {
  return Tensor::from(wave<T>(count(shape), phase), shape);
}

template <class T = double>
Model make_model(std::int64_t width = 3) {
  const auto part = [&](std::int64_t rows, double phase) {
    return Layer{Parameter(wave_tensor<T>({rows, width}, phase)),
                 Parameter(wave_tensor<T>({width}, phase + 1))};
  };
  return {part(2, 0.1), part(4, 2.3)};
}

/// A gradient for every parameter, another one at each step.
template <class T = double>
Gradients make_gradients(Model& model, int step) {
  Gradients gradients;
  double phase = 0.37 * step;
  for (const auto& [name, parameter] : nn::parameters(model))
    gradients.set(parameter->id(), wave_tensor<T>(parameter->shape(), phase += 1.1));
  return gradients;
}

inline std::vector<std::vector<double>> weights(Model& model) {
  std::vector<std::vector<double>> out;
  for (const auto& [name, parameter] : nn::parameters(model))
    out.push_back(parameter->value().to_vector<double>());
  return out;
}

}  // namespace optim_test
