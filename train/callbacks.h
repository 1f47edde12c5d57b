#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "rill/train/fit.h"

namespace rill::train {

// Those that watch a metric remember its best value, and how long ago that was, in the checkpoint. Where it
// does not hold this they find it in the history; epochs without the metric are skipped there. A value that
// is not a number (NaN) is never the best.

/// What a callback watches: a metric of the history, and whether less of it is better.
struct Monitor {
  std::string metric = "val_loss";
  bool smaller_is_better = true;
};

/// Ends training when the metric has not improved by more than `least_improvement` for `patience` epochs; a
/// run that is resumed from where this was so ends at once. Throws ValueError for options below 0.
struct EarlyStopping {
  Monitor monitor = {};
  std::int64_t patience = 3;
  double least_improvement = 0;
  bool restore_best = false;  ///< put the weights of the best epoch back at the end, unless training fails;
                              ///< where no epoch was the best the model keeps its last ones
};
Callback early_stopping(EarlyStopping options = {});

/// Writes a checkpoint after each epoch that is the best so far. Throws FileError before the first step where
/// no file can be written there.
Callback best_checkpoint(std::string path, Monitor monitor = {});

/// Writes a checkpoint every so many epochs. "{epoch}" in the path becomes the number of the epoch.
/// Throws ValueError for epochs below 1, and FileError as best_checkpoint does.
Callback periodic_checkpoint(std::string path, std::int64_t epochs);

/// Multiplies the optimiser's learning rate by factor(epoch) from the beginning of each epoch, 1, 2, ... on.
/// Throws ValueError for an empty function. For a schedule by steps give the optimiser one
/// (rill/optim/schedule.h).
Callback learning_rate_schedule(std::function<double(std::int64_t epoch)> factor);

}  // namespace rill::train
