#pragma once

// Private to train/: checkpoints as text.

#include <string>
#include <string_view>

#include "rill/train/checkpoint.h"

namespace rill::train {

/// Throws ValueError, which begins with `file`, for text that is not UTF-8 and for one name given twice.
std::string checkpoint_to_json(const Checkpoint& checkpoint, const std::string& file);

/// Throws FileError, which begins with `file`, for what read_checkpoint refuses.
Checkpoint checkpoint_from_json(std::string_view text, const std::string& file);

}  // namespace rill::train
