#include "rill/nn/embedding.h"

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/place.h"
#include "rill/tensor/error.h"

namespace rill::nn {

Embedding::Embedding(std::int64_t count, std::int64_t size, const Initializer& initializer) {
  if (count < 1 || size < 1)
    throw ValueError(fmt::format("Embedding: {} symbols of size {}; expected at least 1", count, size));
  table = Parameter((initializer ? initializer : uniform_initializer(-0.05, 0.05))({count, size}));
}

Tensor Embedding::operator()(const Tensor& symbols) const {
  if (symbols.dtype() != DType::int64)
    throw DTypeError(fmt::format("Embedding: symbols have dtype {}; expected int64", name(symbols.dtype())));
  const std::int64_t count = table.shape()[0];
  const auto values = symbols.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < 0 || values[i] >= count)
      throw ValueError(fmt::format("Embedding: symbol {} at place {} is out of range for {} symbols",
                                   values[i], i, count));
  const AtPlace place({"Embedding", table.id(), table.id()});
  return index_select(table, 0, symbols);
}

}  // namespace rill::nn
