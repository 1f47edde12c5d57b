#pragma once

#include <cstdint>

#include "rill/data/dataset.h"

namespace rill::data {

struct AddingOptions {
  std::int64_t length = 100;       ///< time steps, at least 2
  std::int64_t examples = 10'000;  ///< at least 1; the first n of a larger set are the set of n
  std::uint64_t seed = 0;          ///< the same seed gives the same bits; take another for a test set
};

/// The adding problem: the sum of two marked numbers far apart, a regression at the end of the sequence.
///
/// Features float32 [batch, length, 2]: at each step a number from U[0, 1) and a marker, which is 1 at two
/// steps and 0 at the others. Targets float32 [batch, 1]: the sum of the two marked numbers. One marker lies
/// anywhere in the first half of the sequence (its first length / 2 steps, rounded down), the other anywhere
/// in the second. Le, Jaitly and Hinton 2015, with the places of Arjovsky, Shah and Bengio 2016. A loss:
/// `nn::mse`.
///
/// Hochreiter and Schmidhuber's problem (1997, experiment 4) differs: numbers from [-1, 1], markers -1 at
/// both ends, both marked steps in the first half, lengths that vary by a tenth, and a target that is scaled
/// to [0, 1].
///
/// Takes 8 bytes a step. Throws ValueError for an option out of range, Error where the system
/// does not have the memory.
Dataset adding_problem(const AddingOptions& options = {});

/// The mean squared error of always predicting 1, the best that can be had without the markers: 1/6, the
/// variance of a sum of two numbers from U[0, 1).
constexpr double adding_baseline() { return 1.0 / 6.0; }

}  // namespace rill::data
