#include "rill/flow/hessian.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"

namespace rill::flow {
namespace {

using Vector = Eigen::VectorXd;

Tensor to_tensor(const Vector& v) {
  return Tensor::from(std::span<const double>(v.data(), static_cast<std::size_t>(v.size())), {v.size()});
}

Vector to_eigen(const Tensor& x) {
  const auto values = x.to_vector<double>();
  return Eigen::Map<const Vector>(values.data(), static_cast<Eigen::Index>(values.size()));
}

/// The tridiagonal matrix of an iteration so far, decomposed.
struct Ritz {
  Vector values;  // rising
  Eigen::MatrixXd vectors;
  double next;  // the length of what is left of the last product

  Ritz(const std::vector<double>& diagonal, const std::vector<double>& off, double next_) : next(next_) {
    const auto n = static_cast<Eigen::Index>(diagonal.size());
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
    solver.computeFromTridiagonal(Eigen::Map<const Vector>(diagonal.data(), n),
                                  Eigen::Map<const Vector>(off.data(), n - 1));
    values = solver.eigenvalues();
    vectors = solver.eigenvectors();
  }
  Eigen::Index size() const { return values.size(); }
  double residual(Eigen::Index i) const { return std::abs(next * vectors(size() - 1, i)); }
  double scale() const { return values.cwiseAbs().maxCoeff(); }
};

}  // namespace

HessianSpectrum lanczos(const std::function<Tensor(const Tensor&)>& map, std::int64_t size,
                        std::int64_t count, LanczosOptions options) {
  if (size < 1 || count < 1 || options.iterations < 1)
    throw ValueError(
        fmt::format("lanczos: size {}, {} eigenvalues, {} iterations; expected at least 1 of each", size,
                    count, options.iterations));
  if (!map) throw ValueError("lanczos: the function is empty; expected map(vector)");
  const auto steps = std::min(options.iterations, size);
  std::vector<Vector> basis;
  std::vector<double> diagonal, off;
  Vector next = to_eigen(Generator(options.seed).normal({size}, 0, 1, DType::float64)).normalized();
  for (;;) {
    basis.push_back(next);
    Vector product = to_eigen(map(to_tensor(basis.back())));
    if (product.size() != size)
      throw ShapeError(fmt::format("lanczos: the map gives {} elements for {}", product.size(), size));
    if (!product.allFinite()) throw ValueError("lanczos: a product is not finite");
    diagonal.push_back(product.dot(basis.back()));
    const double before = product.norm();
    // Twice, as once leaves what rounding let through (Kahan and Parlett: twice is enough).
    for (int pass = 0; pass < 2; ++pass)
      for (const Vector& v : basis) product -= v.dot(product) * v;
    const double rest = product.norm();
    const Ritz ritz(diagonal, off, rest);
    const auto wanted = std::min<Eigen::Index>(count, ritz.size());
    double worst = 0;
    for (Eigen::Index i = 0; i < wanted; ++i) worst = std::max(worst, ritz.residual(ritz.size() - 1 - i));
    const bool invariant = rest <= 1e-12 * std::max(before, ritz.scale());
    const bool enough = ritz.size() >= count && ritz.size() > 1 && worst <= options.tolerance * ritz.scale();
    if (static_cast<std::int64_t>(basis.size()) == steps || invariant || enough) {
      HessianSpectrum out;
      for (Eigen::Index i = 0; i < wanted; ++i) {
        out.largest.push_back(ritz.values[ritz.size() - 1 - i]);
        out.residuals.push_back(ritz.residual(ritz.size() - 1 - i));
      }
      out.smallest = ritz.values[0];
      Vector direction = Vector::Zero(size);
      for (Eigen::Index i = 0; i < ritz.size(); ++i)
        direction += ritz.vectors(i, ritz.size() - 1) * basis[static_cast<std::size_t>(i)];
      out.direction = to_tensor(direction.normalized());
      out.iterations = static_cast<std::int64_t>(basis.size());
      return out;
    }
    off.push_back(rest);
    next = product / rest;
  }
}

HessianSpectrum hessian_spectrum(const nn::Fields& model, const std::function<Tensor()>& loss,
                                 std::int64_t count, LanczosOptions options) {
  if (!loss) throw ValueError("hessian_spectrum: the function is empty; expected loss()");
  Tape outer;
  std::vector<Tensor> sources, gradients;
  {
    Tape inner;
    const Tensor value = loss();
    if (!value.defined()) throw ValueError("hessian_spectrum: the loss is a tensor without a value");
    if (value.count() != 1)
      throw ShapeError(fmt::format("hessian_spectrum: the loss has shape {}; expected one number",
                                   to_string(value.shape())));
    if (!std::isfinite(value.item()))
      throw ValueError(fmt::format("hessian_spectrum: the loss is {}", value.item()));
    const Gradients all = inner.gradient(value);
    for (const auto& [name, parameter] : nn::parameters(model))
      if (const Tensor* gradient = all.find(*parameter)) {
        sources.push_back(*parameter);
        gradients.push_back(*gradient);
      }
  }
  if (sources.empty())
    throw ValueError("hessian_spectrum: the loss depends on no trainable parameter of this model");
  std::int64_t size = 0;
  for (const Tensor& source : sources) size += source.count();

  const auto product = [&](const Tensor& vector) {
    std::vector<Target> targets;
    std::int64_t at = 0;
    for (const Tensor& gradient : gradients) {
      const Tensor part = slice(vector, 0, {at, at + gradient.count()});
      targets.emplace_back(gradient, cast(reshape(part, gradient.shape()), gradient.dtype()));
      at += gradient.count();
    }
    const auto products = outer.gradient(targets, sources);
    std::vector<Tensor> parts;
    for (std::size_t i = 0; i < products.size(); ++i)
      parts.push_back(products[i].defined() ? cast(reshape(products[i], {sources[i].count()}), DType::float64)
                                            : zeros({sources[i].count()}, DType::float64));
    return concat(parts);
  };
  return lanczos(product, size, count, options);
}

}  // namespace rill::flow
