#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "rill/tensor/tensor.h"

/// fmt::print("{}", tensor) prints what to_string(tensor) gives: the elements as NumPy shows them.
template <>
struct fmt::formatter<rill::Tensor> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const rill::Tensor& tensor, Context& context) const {
    return fmt::formatter<std::string_view>::format(rill::to_string(tensor), context);
  }
};
