#include "rill/flow/jacobian.h"

#include <Eigen/Dense>
#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/flow/driven_cell.h"
#include "rill/tensor/create.h"
#include "rill/tensor/eigen.h"
#include "rill/tensor/error.h"
#include "rill/tensor/threads.h"

namespace rill::flow {
namespace {

using Matrix = EigenMatrix<double>;
using Matrices = Eigen::Map<const Matrix>;

// Results of `width` numbers for each matrix of a stack, computed in parallel.
template <class F>
Tensor for_each_matrix(const char* where, const Tensor& matrices, bool vector, F f) {
  const int rank = matrices.rank();
  if (rank < 2 || matrices.size(-1) != matrices.size(-2) || matrices.size(-1) == 0)
    throw ShapeError(fmt::format("{}: a tensor of shape {}; expected square matrices [..., n, n]", where,
                                 to_string(matrices.shape())));
  if (!is_floating(matrices.dtype()))
    throw DTypeError(fmt::format("{}: matrices of int64; expected float32 or float64", where));
  const std::int64_t n = matrices.size(-1), count = matrices.count() / (n * n), width = vector ? n : 1;
  const Tensor values = contiguous(cast(matrices, DType::float64));
  Shape shape(matrices.shape().begin(), matrices.shape().end() - (vector ? 1 : 2));
  Tensor out = Tensor::empty(shape, DType::float64);
  const auto in = values.span<double>();
  const auto results = rill::detail::TensorAccess::fill<double>(out);
  rill::detail::parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Matrices matrix(in.data() + i * n * n, n, n);
      if (!matrix.allFinite())
        throw ValueError(fmt::format("{}: matrix {} holds a value that is not finite", where, i));
      f(matrix, results.data() + i * width);
    }
  });
  return out;
}

Eigen::VectorXd singular(const Matrices& matrix) {
  return Eigen::BDCSVD<Eigen::MatrixXd>(matrix).singularValues();
}

void check_by_time(const char* where, const Tensor& jacobians) {
  if (jacobians.rank() != 4 || jacobians.size(2) != jacobians.size(3) || jacobians.size(2) == 0)
    throw ShapeError(fmt::format("{}: a tensor of shape {}; expected [time, batch, n, n]", where,
                                 to_string(jacobians.shape())));
}

// Divides a matrix by its largest element, whose logarithm it returns.
double take_scale(Matrix& matrix) {
  const double largest = matrix.cwiseAbs().maxCoeff();
  if (largest == 0) return 0;
  matrix /= largest;
  return std::log(largest);
}

}  // namespace

namespace detail {

Tensor state_jacobians(const nn::detail::CellReference& cell, const Tensor& x,
                       const JacobianOptions& options) {
  DrivenCell driven("state_jacobians", cell, x, options.initial);
  std::vector<Tensor> by_time;
  for (std::int64_t t = 0; t < driven.steps(); ++t) {
    by_time.push_back(driven.jacobian(options.part));
    driven.advance();
  }
  return stack(by_time);
}

}  // namespace detail

ScaledMatrices product_of_jacobians(const Tensor& jacobians, std::int64_t begin, std::int64_t end) {
  check_by_time("product_of_jacobians", jacobians);
  const std::int64_t time = jacobians.size(0), batch = jacobians.size(1), n = jacobians.size(2);
  if (begin < 0 || begin >= end || end > time)
    throw ValueError(
        fmt::format("product_of_jacobians: steps {} to {} of {}; expected 0 <= begin < end <= {}", begin, end,
                    time, time));
  const Tensor values = contiguous(cast(slice(jacobians, 0, {begin, end}), DType::float64));
  const auto in = values.span<double>();
  ScaledMatrices product{Tensor::empty({batch, n, n}, DType::float64), zeros({batch}, DType::float64)};
  const auto out = rill::detail::TensorAccess::fill<double>(product.matrix);
  const auto scales = rill::detail::TensorAccess::fill<double>(product.log_scale);
  rill::detail::parallel_parts(batch, [&](std::int64_t b) {
    Matrix running = Matrix::Identity(n, n);
    double& scale = scales[static_cast<std::size_t>(b)];
    for (std::int64_t t = 0; t < end - begin; ++t) {
      running = (Matrices(in.data() + (t * batch + b) * n * n, n, n) * running).eval();
      scale += take_scale(running);
    }
    Eigen::Map<Matrix>(out.data() + b * n * n, n, n) = running;
  });
  return product;
}

Tensor log_singular_values_to_last(const Tensor& jacobians) {
  check_by_time("log_singular_values_to_last", jacobians);
  const std::int64_t time = jacobians.size(0), batch = jacobians.size(1), n = jacobians.size(2);
  const Tensor values = contiguous(cast(jacobians, DType::float64));
  const auto in = values.span<double>();
  ScaledMatrices products{Tensor::empty({time, batch, n, n}, DType::float64),
                          Tensor::empty({time, batch}, DType::float64)};
  const auto out = rill::detail::TensorAccess::fill<double>(products.matrix);
  const auto scales = rill::detail::TensorAccess::fill<double>(products.log_scale);
  rill::detail::parallel_parts(batch, [&](std::int64_t b) {
    Matrix running = Matrix::Identity(n, n);
    double scale = 0;
    for (std::int64_t t = time - 1; t >= 0; --t) {
      const std::int64_t place = t * batch + b;
      running = (running * Matrices(in.data() + place * n * n, n, n)).eval();
      scale += take_scale(running);
      Eigen::Map<Matrix>(out.data() + place * n * n, n, n) = running;
      scales[static_cast<std::size_t>(place)] = scale;
    }
  });
  return log_singular_values(products);
}

Tensor singular_values(const Tensor& matrices) {
  return for_each_matrix("singular_values", matrices, true, [](const Matrices& matrix, double* out) {
    Eigen::Map<Eigen::VectorXd>(out, matrix.rows()) = singular(matrix);
  });
}

Tensor log_singular_values(const ScaledMatrices& product) {
  return log(singular_values(product.matrix)) + unsqueeze(product.log_scale, -1);
}

Tensor condition_numbers(const Tensor& matrices) {
  return for_each_matrix("condition_numbers", matrices, false, [](const Matrices& matrix, double* out) {
    const Eigen::VectorXd values = singular(matrix);
    const double smallest = values[values.size() - 1];
    *out = smallest > 0 ? values[0] / smallest : std::numeric_limits<double>::infinity();
  });
}

Tensor spectral_radii(const Tensor& matrices) {
  return for_each_matrix("spectral_radii", matrices, false, [](const Matrices& matrix, double* out) {
    *out = Eigen::EigenSolver<Eigen::MatrixXd>(matrix, false).eigenvalues().cwiseAbs().maxCoeff();
  });
}

}  // namespace rill::flow
