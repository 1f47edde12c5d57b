#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rill/nn/state.h"
#include "rill/optim/optimizer.h"
#include "rill/tensor/random.h"
#include "rill/train/history.h"

namespace rill::train {

/// How a run cuts its data into steps. An epoch that was stopped in the middle goes on only with the same.
struct Batching {
  std::int64_t samples = 0;  ///< of the training data
  std::int64_t batch_size = 0;
  bool shuffle = true;
  bool drop_last = false;
  bool operator==(const Batching&) const = default;
};

/// Where training stands: all that a run needs to go on to the last bit as if it had never stopped.
struct Checkpoint {
  nn::State weights;
  optim::State optimizer;
  std::int64_t epoch = 0;            ///< epochs finished
  std::int64_t step = 0;             ///< steps done of the epoch after those
  std::int64_t total_steps = 0;      ///< steps done since training began
  std::optional<Batching> batching;  ///< nothing where weights alone were saved
  Generator::State
      epoch_random;  ///< of default_generator() when that epoch began: it gives the order of its examples
  Generator::State random;  ///< of default_generator() now
  std::vector<std::pair<std::string, double>>
      totals;                 ///< sums over the examples of that epoch so far, by metric
  std::int64_t examples = 0;  ///< how many those are
  double loss_weight = 0;     ///< over how much the sum of the loss was taken: all that counts in it
  History history;
  std::map<std::string, nn::State> callbacks;  ///< what callbacks remember, by their names
  std::map<std::string, std::string> options;  ///< of the program, as text
};

/// Writes a JSON file: {"format", "schema", "checksum", "content"}. The checksum is the CRC-32 of the content
/// as compact JSON text. Small tensors are readable numbers, large ones base64 of their little-endian bytes.
/// The file is replaced as a whole (see write_atomically). Throws FileError; ValueError for text that is not
/// UTF-8 and for one name given twice.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Throws FileError for a file that is missing, is not a checkpoint, is of another schema or is damaged, and
/// for a value outside of its domain, which it names: "c.json: content.epoch: expected ..., found -1".
Checkpoint read_checkpoint(const std::string& path);

/// Puts weights and the optimiser's state in place. Throws ValueError, which lists all that does not fit;
/// nothing has then changed.
void restore(const Checkpoint& checkpoint, const nn::Fields& model, optim::Optimizer& optimizer,
             const std::string& where);

/// Saves the weights of a model alone, and loads them.
template <nn::Module M>
void save(const M& model, const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.weights = nn::state(model);
  write_checkpoint(path, checkpoint);
}
template <nn::Module M>
void load(M& model, const std::string& path) {
  nn::load_state(model.fields(), read_checkpoint(path).weights, path);
}

}  // namespace rill::train
