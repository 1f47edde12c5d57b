#pragma once

#include <string>

#include "rill/nn/recurrent.h"
#include "rill/tensor/error.h"

namespace rill::flow::detail {

/// The cell of a layer that has one. Throws ValueError for another: give an instrument each of its cells with
/// the sequence that it reads.
template <nn::Cell C>
const C& only_cell(const nn::Recurrent<C>& layer, const char* where) {
  if (layer.cells().size() != 1)
    throw ValueError(std::string(where) + ": a layer of " + std::to_string(layer.cells().size()) +
                     " cells; expected one, or a cell with the sequence that it reads");
  return layer.cells()[0];
}

}  // namespace rill::flow::detail
