#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "rill/nn/state.h"
#include "rill/optim/optimizer.h"
#include "rill/tensor/random.h"
#include "rill/train/history.h"

namespace rill::train {

/// Where training stands: all that a run needs to go on to the last bit as if it had never stopped.
struct Checkpoint {
  nn::State weights;
  optim::State optimizer;
  std::int64_t epoch = 0;  ///< epochs finished
  std::int64_t step = 0;   ///< steps done of the epoch after those
  Generator::State
      epoch_random;  ///< of default_generator() when that epoch began: it gives the order of its examples
  Generator::State random;  ///< of default_generator() now
  std::vector<std::pair<std::string, double>>
      totals;                 ///< sums over the examples of that epoch so far, by metric
  std::int64_t examples = 0;  ///< how many those are
  History history;
  std::map<std::string, std::string> options;  ///< of the program, as text
};

/// Writes a JSON file: {"format", "schema", "checksum", "content"}. The checksum is the CRC-32 of the content
/// as compact JSON text. Small tensors are readable numbers, large ones base64 of their little-endian bytes.
/// The file is replaced as a whole (see write_atomically). Throws FileError.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Throws FileError for a file that is missing, is no checkpoint, is of another schema or is damaged.
Checkpoint read_checkpoint(const std::string& path);

/// Puts weights and the optimiser's state in place. Throws ValueError, which lists all that does not fit;
/// nothing has then changed.
void restore(const Checkpoint& checkpoint, const nn::Fields& model, optim::Optimizer& optimizer,
             const std::string& where);

/// Saves the weights of a model alone, and loads them.
template <nn::Module M>
void save(M& model, const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.weights = nn::state(model);
  write_checkpoint(path, checkpoint);
}
template <nn::Module M>
void load(M& model, const std::string& path) {
  nn::load_state(model.fields(), read_checkpoint(path).weights, path);
}

}  // namespace rill::train
