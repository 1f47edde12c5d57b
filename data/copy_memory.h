#pragma once

#include <cstdint>

#include "rill/data/dataset.h"

namespace rill::data {

struct CopyMemoryOptions {
  std::int64_t delay =
      50;  ///< the paper's T: steps between the last symbol and the first to give back, at least 1
  std::int64_t examples = 10'000;  ///< at least 1; the first n of a larger set are the set of n
  std::uint64_t seed = 0;          ///< the same seed gives the same bits; take another for a test set
};

/// Symbols 0 to 7 are copied, 8 is the blank, 9 the delimiter, which is seen and never asked for.
inline constexpr std::int64_t copy_memory_symbols = 10;
inline constexpr std::int64_t copy_memory_classes = 9;

/// The copying memory problem: read ten symbols, wait, give them back. After Hochreiter and Schmidhuber 1997,
/// as Arjovsky, Shah and Bengio 2016 pose it.
///
/// Features float32 [batch, delay + 20, 10], one-hot: ten symbols drawn evenly from 0 to 7, delay - 1 blanks,
/// the delimiter, ten blanks. Targets int64 [batch, delay + 20], a class from 0 to 8 for every step: delay +
/// 10 blanks, then the ten symbols in their order. A loss: `nn::cross_entropy`, from logits [batch, delay +
/// 20, 9], which a Linear makes of a recurrent layer's `outputs`.
///
/// Takes 11 bytes a step. Throws ValueError for an option out of range, Error where the system
/// does not have the memory.
Dataset copy_memory(const CopyMemoryOptions& options = {});

/// The mean cross-entropy of a model that keeps nothing, sure of the blanks and guessing evenly among the
/// eight symbols for the last ten steps: 10 ln 8 / (delay + 20). Throws ValueError for a delay below 1.
double copy_memory_baseline(std::int64_t delay);

}  // namespace rill::data
