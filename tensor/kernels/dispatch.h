#pragma once

#include <cstdint>

#include "rill/tensor/dtype.h"

namespace rill::kernels {

/// Calls f with a value of the C++ type of that dtype.
template <class F>
void with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::int64:
      return f(std::int64_t{});
  }
}

}  // namespace rill::kernels
