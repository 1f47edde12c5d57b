#pragma once

// Private to train/: tensors as JSON.

#include <nlohmann/json.hpp>

#include "rill/tensor/tensor.h"

namespace rill::train {

/// {"dtype", "shape", "values"} with the numbers of a small tensor, or with "base64" of the little-endian
/// bytes of a large one or one that holds NaN or an infinity, which JSON has no numbers for.
nlohmann::ordered_json to_json(const Tensor& tensor);

/// Every element comes back to the last bit. Throws FileError, whose message begins with `where`.
Tensor tensor_from_json(const nlohmann::ordered_json& json, const std::string& where);

}  // namespace rill::train
