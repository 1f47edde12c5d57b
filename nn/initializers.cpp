#include "rill/nn/initializers.h"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"

namespace rill::nn {
namespace {

struct Fans {
  double in = 1, out = 1;
};

Fans fans(const Shape& shape) {
  if (shape.empty()) return {};
  if (shape.size() == 1) return {static_cast<double>(shape[0]), static_cast<double>(shape[0])};
  double others = 1;
  for (int i = 0; i + 2 < shape.size(); ++i) others *= static_cast<double>(shape[i]);
  return {others * static_cast<double>(shape[shape.size() - 2]), others * static_cast<double>(shape.back())};
}

Initializer uniform_of_variance(double (*variance)(Fans)) {
  return [variance](const Shape& shape) {
    const double a = std::sqrt(3 * variance(fans(shape)));
    return uniform(shape, -a, a);
  };
}

Initializer normal_of_variance(double (*variance)(Fans)) {
  return [variance](const Shape& shape) { return normal(shape, 0, std::sqrt(variance(fans(shape)))); };
}

double glorot(Fans f) { return 2 / std::max(1.0, f.in + f.out); }
double he(Fans f) { return 2 / std::max(1.0, f.in); }

Tensor orthogonal_matrix(const Shape& shape, double gain) {
  if (shape.size() < 2) throw ShapeError(fmt::format("orthogonal: shape {} is no matrix", to_string(shape)));
  const std::int64_t columns = shape.back();
  const std::int64_t rows = columns == 0 ? 0 : count(shape) / columns;
  const std::int64_t tall = std::max(rows, columns), narrow = std::min(rows, columns);
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto numbers = normal({tall, narrow}, 0, 1, DType::float64).to_vector<double>();
  const Matrix random = Eigen::Map<const Matrix>(numbers.data(), tall, narrow);
  const Eigen::HouseholderQR<Matrix> qr(random);
  Matrix q = qr.householderQ() * Matrix::Identity(tall, narrow);
  // With the signs of R's diagonal taken out the matrix is uniform over all orthogonal ones (Mezzadri 2007).
  for (std::int64_t j = 0; j < narrow; ++j)
    if (qr.matrixQR()(j, j) < 0) q.col(j) *= -1;
  if (rows < columns) q = q.transpose().eval();
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
      values.data(), rows, columns) = (gain * q).cast<float>();
  return Tensor::from(values, shape);
}

}  // namespace

Initializer glorot_uniform() { return uniform_of_variance(glorot); }
Initializer glorot_normal() { return normal_of_variance(glorot); }
Initializer he_uniform() { return uniform_of_variance(he); }
Initializer he_normal() { return normal_of_variance(he); }

Initializer orthogonal(double gain) {
  return [gain](const Shape& shape) {
    const auto elements = static_cast<std::uint64_t>(count(shape));
    return rill::detail::with_memory("orthogonal", elements, sizeof(double),
                                     [&] { return orthogonal_matrix(shape, gain); });
  };
}

Initializer identity(double gain) {
  return [gain](const Shape& shape) {
    if (shape.size() != 2 || (shape[0] > 0 && shape[1] % shape[0] != 0))
      throw ShapeError(fmt::format("identity: shape {} is not made of square blocks", to_string(shape)));
    Tensor blocks = zeros(shape);
    const auto elements = blocks.mutable_span<float>();
    for (std::int64_t i = 0; i < shape[0]; ++i)
      for (std::int64_t j = i; j < shape[1]; j += shape[0])
        elements[static_cast<std::size_t>(i * shape[1] + j)] = static_cast<float>(gain);
    return blocks;
  };
}

Initializer constant(double value) {
  return [value](const Shape& shape) { return full(shape, value); };
}
Initializer uniform_initializer(double low, double high) {
  return [low, high](const Shape& shape) { return uniform(shape, low, high); };
}
Initializer normal_initializer(double mean, double deviation) {
  return [mean, deviation](const Shape& shape) { return normal(shape, mean, deviation); };
}

Initializer chrono(double longest) {
  if (!(longest > 2))
    throw ValueError(fmt::format("chrono: dependencies of up to {} steps; expected more than 2", longest));
  return [longest](const Shape& shape) { return log(uniform(shape, 1, longest - 1)); };
}

}  // namespace rill::nn
