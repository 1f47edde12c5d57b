#include "rill/flow/lyapunov.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/flow/driven_cell.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "rill/tensor/threads.h"

namespace rill::flow {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void check(const LyapunovOptions& options, std::int64_t state_size, std::int64_t steps) {
  if (options.exponents < 0 || options.exponents > state_size)
    throw ValueError(
        fmt::format("lyapunov_spectrum: {} exponents of a state of {} numbers; expected 0 (all) to {}",
                    options.exponents, state_size, state_size));
  if (options.warm_up < 0 || options.warm_up >= steps)
    throw ValueError(fmt::format("lyapunov_spectrum: a warm-up of {} of {} steps; expected at least one left",
                                 options.warm_up, steps));
  if (options.orthonormalize_every < 1)
    throw ValueError(fmt::format("lyapunov_spectrum: {} steps between QR decompositions; expected at least 1",
                                 options.orthonormalize_every));
}

// k directions for each example, a column each.
class Directions {
 public:
  Directions(std::int64_t batch, std::int64_t n, std::int64_t k) : n_(n), k_(k) {
    const Tensor start = Generator(1980).normal({k, n}, 0, 1, DType::float64);
    q_.assign(static_cast<std::size_t>(batch),
              Eigen::Map<const Eigen::MatrixXd>(start.span<double>().data(), n, k));
    orthonormalize(0);
  }

  // By whole Jacobians [batch, n, n].
  void multiply(const Tensor& jacobians) {
    const Tensor values = contiguous(cast(jacobians, DType::float64));
    const double* data = values.span<double>().data();
    for_each([&](std::int64_t b, Eigen::MatrixXd& q) {
      q = (Eigen::Map<const RowMajor>(data + b * n_ * n_, n_, n_) * q).eval();
    });
  }

  // As [batch, k, n], a row each.
  Tensor rows(DType dtype) const {
    Tensor out = Tensor::empty({static_cast<std::int64_t>(q_.size()), k_, n_}, DType::float64);
    double* data = rill::detail::TensorAccess::fill<double>(out).data();
    for (std::size_t b = 0; b < q_.size(); ++b)
      Eigen::Map<Eigen::MatrixXd>(data + static_cast<std::int64_t>(b) * k_ * n_, n_, k_) = q_[b];
    return cast(out, dtype);
  }
  void set_rows(const Tensor& rows) {
    const Tensor values = contiguous(cast(rows, DType::float64));
    const double* data = values.span<double>().data();
    for (std::size_t b = 0; b < q_.size(); ++b)
      q_[b] = Eigen::Map<const Eigen::MatrixXd>(data + static_cast<std::int64_t>(b) * k_ * n_, n_, k_);
  }

  // log |R_ii| of each example, after `steps` steps.
  std::vector<Eigen::VectorXd> orthonormalize(std::int64_t steps) {
    std::vector<Eigen::VectorXd> growth(q_.size());
    for_each([&](std::int64_t b, Eigen::MatrixXd& q) {
      if (!q.allFinite())
        throw ValueError(fmt::format(
            "lyapunov_spectrum: the directions of example {} are not finite after {} steps", b, steps));
      const Eigen::HouseholderQR<Eigen::MatrixXd> qr(q);
      growth[static_cast<std::size_t>(b)] = qr.matrixQR().diagonal().cwiseAbs().array().log();
      q = qr.householderQ() * Eigen::MatrixXd::Identity(n_, k_);
    });
    return growth;
  }

 private:
  template <class F>
  void for_each(F f) {
    rill::detail::parallel_parts(static_cast<std::int64_t>(q_.size()),
                                 [&](std::int64_t b) { f(b, q_[static_cast<std::size_t>(b)]); });
  }

  std::int64_t n_, k_;
  std::vector<Eigen::MatrixXd> q_;
};

}  // namespace

namespace detail {

LyapunovSpectrum lyapunov_spectrum(const nn::detail::CellReference& cell, const Tensor& x,
                                   const LyapunovOptions& options) {
  DrivenCell driven("lyapunov_spectrum", cell, x, options.initial);
  const std::int64_t n = driven.state_size(), steps = driven.steps(), batch = driven.batch();
  check(options, n, steps);
  const std::int64_t k = options.exponents ? options.exponents : n;
  const bool by_jacobian = 2 * k > n;

  Directions directions(batch, n, k);
  std::vector<Eigen::VectorXd> total(static_cast<std::size_t>(batch), Eigen::VectorXd::Zero(k));
  LyapunovSpectrum spectrum;
  std::vector<double> running;
  std::int64_t since = 0;
  for (std::int64_t t = 1; t <= steps; ++t) {
    if (by_jacobian)
      directions.multiply(driven.jacobian({}));
    else
      directions.set_rows(driven.push(directions.rows(x.dtype())));
    driven.advance();
    if (++since < options.orthonormalize_every && t != options.warm_up && t != steps) continue;
    since = 0;
    const auto growth = directions.orthonormalize(t);
    if (t <= options.warm_up) continue;
    const auto counted = t - options.warm_up;
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(k);
    for (std::size_t b = 0; b < growth.size(); ++b) mean += total[b] += growth[b];
    mean /= static_cast<double>(batch * counted);
    running.insert(running.end(), mean.begin(), mean.end());
    spectrum.running_steps.push_back(counted);
  }
  spectrum.running = Tensor::from(running, {static_cast<std::int64_t>(spectrum.running_steps.size()), k});

  std::vector<double> by_example;
  spectrum.exponents.assign(static_cast<std::size_t>(k), 0);
  for (Eigen::VectorXd& sums : total) {
    sums /= static_cast<double>(steps - options.warm_up);
    std::sort(sums.begin(), sums.end(), std::greater<>());
    by_example.insert(by_example.end(), sums.begin(), sums.end());
    for (std::size_t i = 0; i < spectrum.exponents.size(); ++i)
      spectrum.exponents[i] += sums[static_cast<Eigen::Index>(i)] / static_cast<double>(batch);
  }
  spectrum.by_example = Tensor::from(by_example, {batch, k});
  return spectrum;
}

}  // namespace detail

double LyapunovSpectrum::sum() const { return std::accumulate(exponents.begin(), exponents.end(), 0.0); }

double kaplan_yorke_dimension(const std::vector<double>& exponents) {
  if (exponents.empty()) throw ValueError("kaplan_yorke_dimension: no exponents");
  if (!std::is_sorted(exponents.begin(), exponents.end(), std::greater<>()))
    throw ValueError("kaplan_yorke_dimension: exponents that do not descend");
  double sum = 0;
  for (std::size_t i = 0; i < exponents.size(); ++i) {
    if (sum + exponents[i] < 0) return static_cast<double>(i) - sum / exponents[i];
    sum += exponents[i];
  }
  return static_cast<double>(exponents.size());
}

}  // namespace rill::flow
