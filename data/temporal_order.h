#pragma once

#include <cstdint>

#include "rill/data/dataset.h"

namespace rill::data {

struct TemporalOrderOptions {
  std::int64_t relevant = 2;       ///< symbols to be told apart: 2 (experiment 6a) or 3 (6b)
  std::int64_t length = 100;       ///< time steps, at least 10
  std::int64_t examples = 10'000;  ///< at least 1; the first n of a larger set are the set of n
  std::uint64_t seed = 0;          ///< the same seed gives the same bits; take another for a test set
};

/// The size of a one-hot step: the symbols E, B, a, b, c, d, X, Y in this order.
inline constexpr std::int64_t temporal_order_symbols = 8;

/// The temporal order problem: which of X and Y came first, and next, among distractors. Hochreiter and
/// Schmidhuber 1997, experiments 6a (two relevant symbols, four classes) and 6b (three, eight classes).
///
/// Features float32 [batch, length, 8], one-hot: E, symbols drawn evenly from a, b, c and d, and B at the
/// end, but X or Y, drawn evenly, at a step drawn evenly from each of the paper's ranges. Those are, in
/// hundredths of the length (rounded down, both ends included), 10 to 20 and 50 to 60 with two symbols, 10 to
/// 20, 33 to 43 and 66 to 76 with three; steps count from 0. Targets int64 [batch]: the relevant symbols read
/// as a binary number, X as 0 and Y as 1, the first as its highest digit, which is the paper's order of
/// classes: (X,X) = 0, (X,Y) = 1, (Y,X) = 2, (Y,Y) = 3. A loss: `nn::cross_entropy`.
///
/// The paper draws each sequence's length from 100 to 110; here all have one length.
///
/// Takes 8 bytes a step. Throws ValueError for an option out of range, Error where the system
/// does not have the memory.
Dataset temporal_order(const TemporalOrderOptions& options = {});

/// What guessing evenly gives.
struct TemporalOrderBaseline {
  double cross_entropy;  ///< ln(classes)
  double accuracy;       ///< 1 / classes
};

/// For 2 relevant symbols ln 4 and 1/4, for 3 ln 8 and 1/8. Throws ValueError for another number.
TemporalOrderBaseline temporal_order_baseline(std::int64_t relevant);

}  // namespace rill::data
