#include "rill/flow/norms.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/flow/length.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::flow {

Tensor norms_over_time(const std::vector<Tensor>& by_time) {
  const auto first =
      std::find_if(by_time.begin(), by_time.end(), [](const Tensor& x) { return x.defined(); });
  if (first == by_time.end())
    throw ValueError("norms_over_time: no tensor holds a value; does the loss depend on these states?");
  if (first->rank() == 0) throw ShapeError("norms_over_time: a scalar; expected tensors [batch, ...]");
  const std::int64_t batch = first->size(0);
  Tensor out = zeros({static_cast<std::int64_t>(by_time.size()), batch}, DType::float64);
  const auto norms = out.mutable_span<double>();
  for (std::size_t t = 0; t < by_time.size(); ++t) {
    if (!by_time[t].defined()) continue;
    const auto rows = row_lengths(by_time[t]);
    if (static_cast<std::int64_t>(rows.size()) != batch)
      throw ShapeError(fmt::format("norms_over_time: step {} has shape {}; expected a batch of {}", t,
                                   to_string(by_time[t].shape()), batch));
    std::copy(rows.begin(), rows.end(), norms.begin() + static_cast<std::ptrdiff_t>(t) * batch);
  }
  return out;
}

}  // namespace rill::flow
