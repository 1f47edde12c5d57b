#pragma once

#include <cstdint>

#include "rill/tensor/tensor.h"

namespace rill {

/// A stream of random numbers: Philox 4x32-10 (Salmon et al. 2011), whose i-th block is a function of a key
/// and i alone. So the same seed gives the same numbers on any number of threads, and two integers are the
/// whole state.
class Generator {
 public:
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t block = 0;  ///< the next block of four 32-bit numbers
    bool operator==(const State&) const = default;
  };
  explicit Generator(std::uint64_t seed = 0) : state_{seed, 0} {}
  State state() const { return state_; }
  void set_state(State state) { state_ = state; }

  // Floating dtypes only.
  /// In [low, high).
  Tensor uniform(const Shape& shape, double low = 0, double high = 1, DType dtype = DType::float32);
  Tensor normal(const Shape& shape, double mean = 0, double deviation = 1, DType dtype = DType::float32);
  /// `success` with that probability, else 0. Throws ValueError unless it lies in [0, 1].
  Tensor bernoulli(const Shape& shape, double probability, DType dtype = DType::float32, double success = 1);
  /// 0 .. n-1 in random order, int64 (Fisher and Yates).
  Tensor permutation(std::int64_t n);
  /// A whole number in [0, n), without bias.
  std::int64_t integer(std::int64_t n);

 private:
  State state_;
};

/// The generator of this thread, which everything draws from that is given no other: dropout, initialisers,
/// shuffling. Each thread has a stream of its own. The main thread's is that of seed 0, until it calls
/// `seed`; another's is chosen when it first draws: by the last call of `seed` on any thread (0 before the
/// first) and by how many threads have begun to draw since. So where threads begin in the same order, a run
/// can be repeated.
Generator& default_generator();

/// Starts this thread's generator anew: the same seed gives the same numbers, whichever the thread. Threads
/// that have not drawn yet will get other streams, which follow from the seed.
void seed(std::uint64_t seed);

// Drawn from default_generator().
Tensor uniform(const Shape& shape, double low = 0, double high = 1, DType dtype = DType::float32);
Tensor normal(const Shape& shape, double mean = 0, double deviation = 1, DType dtype = DType::float32);
Tensor bernoulli(const Shape& shape, double probability, DType dtype = DType::float32, double success = 1);

}  // namespace rill
