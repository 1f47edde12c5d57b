#include "rill/flow/lyapunov.h"

#include <Eigen/Dense>
#include <cmath>

#include "rill/flow/jacobian.h"
#include "rill/tensor/eigen.h"
#include "rill/tensor/error.h"
#include "tests/flow/cells.h"

using namespace rill;
using namespace dynamics;

namespace {

// Q D Q^T, Q orthogonal, D of the numbers a and of blocks {{a, b}, {-b, a}} for pairs: a normal matrix whose
// eigenvalues are a, a +- ib.
Tensor normal_matrix(const std::vector<double>& real, const std::vector<std::pair<double, double>>& pairs) {
  const auto n = static_cast<Eigen::Index>(real.size() + 2 * pairs.size());
  Eigen::MatrixXd d = Eigen::MatrixXd::Zero(n, n);
  Eigen::Index i = 0;
  for (const double a : real) d(i, i) = a, ++i;
  for (const auto& [a, b] : pairs) {
    d.block<2, 2>(i, i) << a, b, -b, a;
    i += 2;
  }
  const Tensor start = noise(11, {n, n});
  const Eigen::MatrixXd q = Eigen::HouseholderQR<Eigen::MatrixXd>(as_eigen<double>(start)).householderQ() *
                            Eigen::MatrixXd::Identity(n, n);
  return from_eigen(q * d * q.transpose());
}

template <class C>
void check_sum(const C& cell, const Tensor& x) {
  const flow::LyapunovSpectrum spectrum = flow::lyapunov_spectrum(cell, x);
  const Tensor jacobians = flow::state_jacobians(cell, x);
  const std::int64_t n = jacobians.size(2);
  double mean = 0;
  const Tensor flat = contiguous(reshape(jacobians, {-1, n, n}));
  for (std::int64_t i = 0; i < flat.size(0); ++i) {
    const Eigen::MatrixXd matrix = as_eigen<double>(select(flat, 0, i));
    mean += Eigen::FullPivLU<Eigen::MatrixXd>(matrix).matrixLU().diagonal().cwiseAbs().array().log().sum() /
            static_cast<double>(flat.size(0));
  }
  CHECK(spectrum.exponents.size() == static_cast<std::size_t>(n));
  CHECK(spectrum.sum() == Approx(mean).epsilon(1e-10));
}

}  // namespace

TEST_CASE("the Lyapunov spectrum of a normal linear map is the sorted log of its eigenvalues' moduli",
          "[flow]") {
  const PlainCell cell{Parameter(normal_matrix({-1.3, 0.4, 0.05}, {{0.6, 0.6}, {0.1, -0.2}}))};
  const std::vector<double> moduli = {
      1.3, std::sqrt(0.72), std::sqrt(0.72), 0.4, std::sqrt(0.05), std::sqrt(0.05), 0.05};
  const auto check = [&](flow::LyapunovOptions options) {
    const flow::LyapunovSpectrum spectrum =
        flow::lyapunov_spectrum(cell, zeros({1, 300, 7}, DType::float64), options);
    REQUIRE(spectrum.exponents.size() == static_cast<std::size_t>(options.exponents ? options.exponents : 7));
    for (std::size_t i = 0; i < spectrum.exponents.size(); ++i)
      CHECK(std::abs(spectrum.exponents[i] - std::log(moduli[i])) < 1e-6);
  };
  SECTION("of all exponents") { check({.warm_up = 100}); }
  SECTION("of the largest alone") { check({.exponents = 1, .warm_up = 100}); }
  SECTION("with a QR decomposition every third step") { check({.warm_up = 100, .orthonormalize_every = 3}); }
  SECTION("of most") { check({.exponents = 5, .warm_up = 100}); }
}

TEST_CASE("the exponents of any cell sum to the mean log|det J|", "[flow]") {
  seed(3);
  const Tensor x = noise(1, {2, 20, 3});
  SECTION("tanh RNN") { check_sum(in_float64(nn::RNNCell(3, 6)), x); }
  SECTION("GRU") { check_sum(in_float64(nn::GRUCell(3, 6)), x); }
  SECTION("LSTM") { check_sum(in_float64(nn::LSTMCell(3, 6)), x); }
  SECTION("a user's cell") { check_sum(SlowFastCell{}, x); }
}

TEST_CASE("few exponents are the first of all, by tangents or by whole Jacobians", "[flow]") {
  seed(3);
  const Tensor x = noise(1, {2, 25, 3});
  const auto check = [&](const auto& cell) {
    const Tensor all = flow::lyapunov_spectrum(cell, x).running;
    for (const std::int64_t k : {1, 2, 5}) {
      const Tensor few = flow::lyapunov_spectrum(cell, x, {.exponents = k}).running;
      CHECK(difference(few, slice(all, 1, {0, k})) < 1e-10);
    }
  };
  check(in_float64(nn::RNN(3, 10)));
  check(in_float64(nn::GRUCell(3, 10)));
  check(SlowFastCell{});
  check(in_float64(nn::LSTMCell(3, 4)));
}

TEST_CASE("a random tanh network is quiet for a gain of 0.8 and chaotic for 1.5", "[flow]") {
  // Sompolinsky, Crisanti and Sommers 1988: the transition is at 1 for many units.
  const std::int64_t n = 256;
  const Tensor couplings = noise(21, {n, n}, 1 / std::sqrt(static_cast<double>(n)));
  const auto largest = [&](double gain) {
    const PlainCell cell{Parameter(gain * couplings), true};
    return flow::lyapunov_spectrum(cell, zeros({1, 300, n}, DType::float64),
                                   {.exponents = 2, .warm_up = 100, .initial = {noise(22, {1, n})}})
        .exponents[0];
  };
  CHECK(largest(0.8) < -0.1);
  CHECK(largest(1.5) > 0.05);
}

TEST_CASE("running exponents end at the spectrum, and count the steps after the warm-up", "[flow]") {
  seed(3);
  const nn::GRUCell cell = in_float64(nn::GRUCell(3, 4));
  const flow::LyapunovSpectrum spectrum =
      flow::lyapunov_spectrum(cell, noise(1, {2, 12, 3}), {.warm_up = 3, .orthonormalize_every = 4});
  CHECK(spectrum.running_steps == std::vector<std::int64_t>{4, 8, 9});
  CHECK(spectrum.running.shape() == Shape{3, 4});
  CHECK(sum(select(spectrum.running, 0, -1)).item() == Approx(spectrum.sum()));
  const Tensor mean_of_examples = mean(spectrum.by_example, 0);
  for (std::int64_t i = 0; i < 4; ++i)
    CHECK(select(mean_of_examples, 0, i).item() == Approx(spectrum.exponents[static_cast<std::size_t>(i)]));
}

TEST_CASE("a cell that forgets a direction at once has an exponent of minus infinity", "[flow]") {
  const PlainCell cell{Parameter(tensor({{0.5, 0}, {0, 0}}, DType::float64))};
  const auto spectrum = flow::lyapunov_spectrum(cell, zeros({1, 5, 2}, DType::float64), {.warm_up = 1});
  CHECK(spectrum.exponents[0] == Approx(std::log(0.5)));
  CHECK(spectrum.exponents[1] == -INFINITY);
}

TEST_CASE("the Kaplan-Yorke dimension of known spectra", "[flow]") {
  CHECK(flow::kaplan_yorke_dimension({0.4, 0, -0.8}) == Approx(2.5));
  CHECK(flow::kaplan_yorke_dimension({0.42, -1.62}) == Approx(1 + 0.42 / 1.62));  // Henon's map
  CHECK(flow::kaplan_yorke_dimension({-0.1, -0.2}) == 0);
  CHECK(flow::kaplan_yorke_dimension({0.3, 0.1}) == 2);
  CHECK(flow::kaplan_yorke_dimension({0.3, -INFINITY}) == 1);
  CHECK_THROWS_AS(flow::kaplan_yorke_dimension({}), ValueError);
  CHECK_THROWS_AS(flow::kaplan_yorke_dimension({-1, 0}), ValueError);
}

TEST_CASE("the Lyapunov spectrum says what is wrong with its input", "[flow]") {
  const nn::RNNCell cell(3, 4);
  const Tensor x = zeros({1, 5, 3});
  CHECK_THROWS_WITH(
      flow::lyapunov_spectrum(cell, zeros({1, 0, 3})),
      "lyapunov_spectrum: an input of shape [1, 0, 3]; expected [batch, time, features] with at "
      "least one example and one step");
  CHECK_THROWS_WITH(flow::lyapunov_spectrum(cell, x, {.exponents = 5}),
                    "lyapunov_spectrum: 5 exponents of a state of 4 numbers; expected 0 (all) to 4");
  CHECK_THROWS_WITH(flow::lyapunov_spectrum(cell, x, {.warm_up = 5}),
                    "lyapunov_spectrum: a warm-up of 5 of 5 steps; expected at least one left");
  CHECK_THROWS_AS(flow::lyapunov_spectrum(cell, x, {.orthonormalize_every = 0}), ValueError);
  CHECK_THROWS_AS(flow::lyapunov_spectrum(cell, x, {.initial = {zeros({2, 4})}}), ShapeError);
  CHECK_THROWS_WITH(flow::lyapunov_spectrum(PlainCell{Parameter(full({2, 2}, NAN))}, zeros({1, 5, 2})),
                    "lyapunov_spectrum: the directions of example 0 are not finite after 1 steps");
}
