#include "rill/flow/hessian.h"

#include <Eigen/Eigenvalues>
#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/autograd/transforms.h"
#include "rill/nn/linear.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/eigen.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor symmetric(std::int64_t n) {
  const Tensor a = Generator(4).normal({n, n}, 0, 1, DType::float64);
  return a + transpose(a);
}

Eigen::VectorXd eigenvalues(const Tensor& matrix) {
  return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(Eigen::MatrixXd(as_eigen<double>(matrix)))
      .eigenvalues();
}

struct Quadratic {
  Parameter w{zeros({5}, DType::float64)}, v{zeros({3}, DType::float64)};
  nn::Fields fields() { return {{"w", w}, {"v", v}}; }
};

struct Tiny {
  nn::RNN rnn{2, 3};
  nn::Linear output{3, 1};
  nn::Fields fields() { return {{"rnn", rnn}, {"output", output}}; }
  Tensor operator()(const Tensor& x) const { return output(rnn(x).last); }
};

}  // namespace

TEST_CASE("the Hessian's spectrum of a quadratic is that of its matrix", "[flow][hessian]") {
  const Tensor a = symmetric(8);
  Quadratic model;
  const auto spectrum = flow::hessian_spectrum(model,
                                               [&] {
                                                 const Tensor x = concat({Tensor(model.w), Tensor(model.v)});
                                                 return sum(x * matmul(a, x)) / 2;
                                               },
                                               3, {.tolerance = 1e-12});
  const auto expected = eigenvalues(a);
  REQUIRE(spectrum.largest.size() == 3);
  for (int i = 0; i < 3; ++i)
    CHECK(spectrum.largest[static_cast<std::size_t>(i)] == Approx(expected[7 - i]).epsilon(1e-10));
  CHECK(spectrum.smallest == Approx(expected[0]).epsilon(1e-10));
  const Tensor moved = matmul(a, spectrum.direction) - spectrum.direction * spectrum.largest[0];
  CHECK(norm(moved).item() < 1e-9);
}

TEST_CASE("the Hessian's largest eigenvalue of a recurrent network agrees with its full Hessian",
          "[flow][hessian]") {
  Tiny model;
  nn::to(model, DType::float64);
  Generator generator(1);
  const Tensor x = generator.normal({4, 5, 2}, 0, 1, DType::float64);
  const Tensor target = generator.normal({4, 1}, 0, 1, DType::float64);
  const auto loss = [&] { return mean(square(model(x) - target)); };

  // The matrix, a column a central difference of gradients.
  const auto parameters = nn::parameters(model);
  const auto gradient = [&] {
    Tape tape;
    const Gradients all = tape.gradient(loss());
    std::vector<Tensor> parts;
    for (const auto& [name, parameter] : parameters) parts.push_back(reshape(all[*parameter], {-1}));
    return concat(parts);
  };
  std::vector<Tensor> columns;
  for (const auto& [name, parameter] : parameters)
    for (std::size_t i = 0; i < static_cast<std::size_t>(parameter->count()); ++i) {
      double& weight = parameter->mutable_value().mutable_span<double>()[i];
      const double before = weight;
      const auto moved = [&](double to) {
        parameter->mutable_value().mutable_span<double>()[i] = to;
        return gradient();
      };
      const Tensor above = moved(before + 1e-5), below = moved(before - 1e-5);
      moved(before);
      columns.push_back((above - below) / 2e-5);
    }
  const auto expected = eigenvalues(stack(columns));
  const auto n = static_cast<std::int64_t>(columns.size());
  const auto spectrum = flow::hessian_spectrum(model, loss, 2, {.iterations = n, .tolerance = 1e-10});
  CHECK(spectrum.largest[0] == Approx(expected[n - 1]).epsilon(1e-7));
  CHECK(spectrum.largest[1] == Approx(expected[n - 2]).epsilon(1e-7));
  CHECK(spectrum.smallest == Approx(expected[0]).epsilon(1e-6));
}

TEST_CASE("Lanczos iteration agrees with hessian() and stops early in a small space", "[flow][hessian]") {
  const auto f = [](const Tensor& x) { return square(sum(x)) + sum(square(square(x))); };
  const Tensor x = tensor({0.1, -0.3, 0.7, 1.1}, DType::float64);
  const auto spectrum =
      flow::lanczos([&](const Tensor& v) { return hvp(f, x, v); }, 4, 4, {.tolerance = 1e-14});
  const auto expected = eigenvalues(hessian(f, x));
  REQUIRE(spectrum.largest.size() == 4);
  for (int i = 0; i < 4; ++i)
    CHECK(spectrum.largest[static_cast<std::size_t>(i)] == Approx(expected[3 - i]).epsilon(1e-10));

  const auto one = flow::lanczos([](const Tensor& v) { return v * 3.0; }, 100, 2);
  CHECK(one.iterations == 1);
  CHECK(one.largest.size() == 1);
  CHECK(one.largest[0] == Approx(3));
}

TEST_CASE("residuals bound the error of eigenvalues before convergence", "[flow][hessian]") {
  const Tensor diagonal = arange(1, 201, 1, DType::float64);
  const auto spectrum =
      flow::lanczos([&](const Tensor& v) { return v * diagonal; }, 200, 1, {.iterations = 12});
  CHECK(spectrum.iterations == 12);
  CHECK(spectrum.residuals[0] > 1e-3);
  CHECK(std::abs(spectrum.largest[0] - 200) < 200 * 0.05);
  double nearest = 1e9;
  for (int i = 1; i <= 200; ++i) nearest = std::min(nearest, std::abs(spectrum.largest[0] - i));
  CHECK(nearest <= spectrum.residuals[0]);
}

TEST_CASE("a spectrum needs parameters and finite numbers", "[flow][hessian][error]") {
  Quadratic model, other;
  CHECK_THROWS_WITH(flow::hessian_spectrum(other, [&] { return sum(square(Tensor(model.w))); }),
                    "hessian_spectrum: the loss depends on no trainable parameter of this model");
  CHECK_THROWS_AS(flow::hessian_spectrum(model, [&] { return sum(log(model.w - 1.0)); }), ValueError);
  CHECK_THROWS_WITH(flow::hessian_spectrum(model,
                                           [&] {
                                             return stack({model.w, model.w}, 0);
                                           }),
                    ContainsSubstring("hessian_spectrum: the loss has shape [2") &&
                        ContainsSubstring("; expected one number"));
  CHECK_THROWS_AS(flow::hessian_spectrum(model, [] { return Tensor(); }), ValueError);
  CHECK_THROWS_AS(flow::hessian_spectrum(model, std::function<Tensor()>()), ValueError);
  CHECK_THROWS_AS(flow::lanczos(std::function<Tensor(const Tensor&)>(), 3), ValueError);
  CHECK_THROWS_AS(flow::lanczos([](const Tensor& v) { return v * NAN; }, 3), ValueError);
  CHECK_THROWS_AS(flow::lanczos([](const Tensor& v) { return v; }, 0), ValueError);
}
