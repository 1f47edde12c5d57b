#pragma once

// Private to train/: tensors as JSON.

#include "rill/tensor/tensor.h"
#include "rill/train/json.h"

namespace rill::train {

/// {"dtype", "shape", "values"} with the numbers of a small tensor, or with "base64" of the little-endian
/// bytes of a large one or one that holds NaN or an infinity, which JSON has no numbers for.
Json to_json(const Tensor& tensor);

/// Every element comes back to the last bit. Throws FileError for what is not such a tensor.
Tensor tensor_from_json(const JsonPlace& json);

}  // namespace rill::train
