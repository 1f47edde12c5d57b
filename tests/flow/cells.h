#pragma once

// Cells for the tests of dynamics.

#include "rill/autograd/fused.h"
#include "rill/autograd/ops.h"
#include "rill/nn/gru.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

namespace dynamics {

using namespace rill;

/// h' = x + h W, or a function of it.
struct PlainCell {
  using State = Tensor;
  Parameter recurrent;
  bool bounded = false;
  std::int64_t hidden_size() const { return recurrent.shape()[0]; }
  Tensor input(const Tensor& x) const { return x; }
  Tensor operator()(const Tensor& x, const Tensor& h) const {
    const Tensor next = matmul_add(h, recurrent, x);
    return bounded ? tanh(next) : next;
  }
  nn::Fields fields() { return {{"recurrent", recurrent}}; }
};

/// A user's cell of two parts of unequal sizes that see one another.
struct SlowFastCell {
  using State = std::array<Tensor, 2>;
  Parameter mix{Generator(5).normal({5, 5}, 0, 0.6, DType::float64)};
  std::int64_t hidden_size() const { return 3; }
  Tensor input(const Tensor& x) const { return x; }
  State initial_state(std::int64_t batch, DType dtype) const {
    return {full({batch, 3}, 0.2, dtype), full({batch, 2}, -0.1, dtype)};
  }
  State operator()(const Tensor& x, const State& state) const {
    const auto parts = split(matmul(concat({state[0], state[1]}, 1), mix), {3, 2});
    return {tanh(parts[0] + x), 0.9 * state[1] + 0.1 * sigmoid(parts[1])};
  }
  nn::Fields fields() { return {{"mix", mix}}; }
};

template <class C>
C in_float64(C cell) {
  nn::to(cell, DType::float64);
  return cell;
}

inline Tensor noise(std::uint64_t seed, const Shape& shape, double deviation = 1) {
  return Generator(seed).normal(shape, 0, deviation, DType::float64);
}

/// The largest difference, relative to the largest element of the second.
inline double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return max(abs(a - b)).item() / max(abs(b)).item();
}

}  // namespace dynamics
