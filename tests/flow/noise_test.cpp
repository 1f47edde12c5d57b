#include "rill/flow/noise.h"

#include <cmath>

#include "rill/autograd/ops.h"
#include "rill/autograd/parameter.h"
#include "rill/autograd/transforms.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

struct Two {
  Parameter a{zeros({2}, DType::float64)}, b{zeros({1}, DType::float64)};
  Gradients gradients(std::initializer_list<double> for_a, double for_b) const {
    Gradients out;
    out.set(a.id(), tensor(for_a, DType::float64));
    out.set(b.id(), full({1}, for_b, DType::float64));
    return out;
  }
};

}  // namespace

TEST_CASE("gradient noise of three batches agrees with sums by hand", "[flow][noise]") {
  const Two p;
  const auto noise =
      flow::gradient_noise({p.gradients({1, 2}, 0), p.gradients({3, 2}, 6), p.gradients({2, 5}, 0)}, 4);
  // Means (2, 3) and 2; squared distances of a: (1 + 1) + (1 + 1) + 4, of b: 4 + 16 + 4.
  CHECK(noise.parameters[0].norm == Approx(std::sqrt(13.0)));
  CHECK(noise.parameters[0].noise == Approx(std::sqrt(8.0 / 2)));
  CHECK(noise.parameters[1].signal_to_noise == Approx(2 / std::sqrt(24.0 / 2)));
  CHECK(noise.trace == Approx(4 * 16.0));
  CHECK(noise.squared_norm == Approx(17 - 16.0 / 3));
  CHECK(noise.noise_scale == Approx(64 / (17 - 16.0 / 3)));
}

TEST_CASE("the noise scale is that of McCandlish's two batch sizes", "[flow][noise]") {
  const Two p;
  Generator generator(1);
  constexpr double small = 5, batches = 7, big = small * batches;
  std::vector<Gradients> all;
  double small_squared = 0;
  std::vector<double> mean(3);
  for (int i = 0; i < batches; ++i) {
    const auto g = generator.normal({3}, 0.5, 1, DType::float64).to_vector<double>();
    all.push_back(p.gradients({g[0], g[1]}, g[2]));
    for (std::size_t k = 0; k < 3; ++k) {
      small_squared += g[k] * g[k] / batches;
      mean[k] += g[k] / batches;
    }
  }
  const double big_squared = mean[0] * mean[0] + mean[1] * mean[1] + mean[2] * mean[2];
  const double squared_norm = (big * big_squared - small * small_squared) / (big - small);
  const double trace = (small_squared - big_squared) / (1 / small - 1 / big);
  const auto noise = flow::gradient_noise(all, 5);
  CHECK(noise.squared_norm == Approx(squared_norm).epsilon(1e-12));
  CHECK(noise.trace == Approx(trace).epsilon(1e-12));
}

TEST_CASE("per-example gradients of a mean give the noise scale in closed form", "[flow][noise]") {
  // loss_i = |w - x_i|^2 / 2: the gradient is w - x_i, its covariance that of the data.
  Parameter w(zeros({3}, DType::float64));
  const Tensor data = Generator(2).normal({400, 3}, 1, 2, DType::float64);
  const auto gradients =
      per_example_gradients([&](std::int64_t i) { return sum(square(w - select(data, 0, i))) / 2; }, 400);
  const auto noise = flow::gradient_noise(gradients);
  CHECK(noise.trace == Approx(sum(variance(data, 0)).item()).epsilon(1e-12));
  CHECK(noise.squared_norm == Approx(sum(square(mean(data, 0))).item() - noise.trace / 400).epsilon(1e-12));
}

TEST_CASE("equal gradients have no noise", "[flow][noise]") {
  const Two p;
  const auto noise = flow::gradient_noise({p.gradients({1, 2}, 3), p.gradients({1, 2}, 3)});
  CHECK(noise.noise_scale == 0);
  CHECK(std::isinf(noise.parameters[0].signal_to_noise));
}

TEST_CASE("noise cannot be told from one batch, or from different parameters", "[flow][noise][error]") {
  const Two p, q;
  CHECK_THROWS_AS(flow::gradient_noise({p.gradients({1, 2}, 3)}), ValueError);
  CHECK_THROWS_AS(flow::gradient_noise({p.gradients({1, 2}, 3), q.gradients({1, 2}, 3)}), ValueError);
  CHECK_THROWS_AS(flow::NoiseMeter(0), ValueError);
}
