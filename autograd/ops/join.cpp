#include "rill/autograd/ops/join.h"

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/index.h"

namespace rill {
namespace {

void require_values(const char* function, const std::vector<Tensor>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].defined()) throw ValueError(fmt::format("{}: part {} holds no value", function, i));
}

}  // namespace

Tensor concat(const std::vector<Tensor>& parts, std::int64_t axis) {
  if (parts.empty()) throw ValueError("concat: there are no tensors to join");
  require_values("concat", parts);
  const int a = normalize_axis(axis, parts.front().rank(), "concat");
  Tensor value = kernels::concat(parts, a);
  std::int64_t start = 0;
  const auto rule = [&](const Tensor& part) {
    const std::int64_t stop = start + part.shape()[a];
    const Range range{std::exchange(start, stop), stop};
    return [a, range](const Tensor& g) { return slice(g, a, range); };
  };
  std::vector<decltype(rule(value))> rules;
  rules.reserve(parts.size());
  for (const Tensor& part : parts) rules.push_back(rule(part));
  return record("concat", std::move(value), parts, std::move(rules));
}

Tensor stack(const std::vector<Tensor>& parts, std::int64_t axis) {
  if (parts.empty()) throw ValueError("stack: there are no tensors to join");
  require_values("stack", parts);
  const int a = normalize_axis(axis, parts.front().rank() + 1, "stack");
  Tensor value = kernels::stack(parts, a);
  const auto rule = [&](std::size_t i) {
    return [a, i](const Tensor& g) { return select(g, a, static_cast<std::int64_t>(i)); };
  };
  std::vector<decltype(rule(0))> rules;
  rules.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) rules.push_back(rule(i));
  return record("stack", std::move(value), parts, std::move(rules));
}

}  // namespace rill
