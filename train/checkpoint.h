#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "rill/nn/fields.h"
#include "rill/optim/optimizer.h"
#include "rill/tensor/random.h"
#include "rill/train/history.h"

namespace rill::train {

/// Where training stands: all that a run needs to go on to the last bit as if it had never stopped.
struct Checkpoint {
  std::vector<std::pair<std::string, Tensor>>
      weights;  ///< by dotted name, in the order of the model's fields
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

/// The weights of a model, for a checkpoint.
std::vector<std::pair<std::string, Tensor>> weights_of(const nn::Fields& model);

/// Puts weights into a model. Throws ValueError, which lists every name that is missing or unknown and every
/// shape and dtype that differs; the model is then as it was. `where` begins the message.
void load_weights(const nn::Fields& model, const std::vector<std::pair<std::string, Tensor>>& weights,
                  const std::string& where);

/// Puts weights and the optimiser's state in place. Throws ValueError, which lists all that does not fit;
/// nothing has then changed.
void restore(const Checkpoint& checkpoint, const nn::Fields& model, optim::Optimizer& optimizer,
             const std::string& where);

/// Saves the weights of a model alone, and loads them.
template <nn::Module M>
void save(M& model, const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.weights = weights_of(model.fields());
  write_checkpoint(path, checkpoint);
}
template <nn::Module M>
void load(M& model, const std::string& path) {
  load_weights(model.fields(), read_checkpoint(path).weights, path);
}

}  // namespace rill::train
