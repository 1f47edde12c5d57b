#include "rill/nn/model.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"

namespace rill::nn {
namespace {

std::string with_commas(std::int64_t n) {
  std::string digits = std::to_string(n);
  for (auto i = static_cast<std::int64_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

struct Line {
  std::string name, shapes;
  std::int64_t count;
};

// A line for each field that is a parameter or says what kind it is; for others, their parts.
void describe(const Field& field, const std::string& prefix, std::vector<Line>& lines) {
  const std::string name = prefix.empty() ? field.name() : prefix + "." + field.name();
  if (field.kind().empty() && !field.parameter()) {
    for (const Field& child : field.children()) describe(child, name, lines);
    return;
  }
  Line line{field.kind().empty() ? name : fmt::format("{} ({})", name, field.kind()), "", 0};
  for (const auto& [part, parameter] : parameters(Fields({field}))) {
    const std::string own = part.substr(std::min(part.size(), field.name().size() + 1));
    line.shapes +=
        fmt::format("{}{} {}", line.shapes.empty() ? "" : ", ", own, to_string(parameter->shape()));
    line.count += parameter->count();
  }
  lines.push_back(std::move(line));
}

}  // namespace

std::int64_t count_parameters(const Fields& fields, bool trainable_only) {
  std::int64_t total = 0;
  for (const auto& [name, parameter] : parameters(fields))
    if (parameter->trainable || !trainable_only) total += parameter->count();
  return total;
}

std::string summary(const Fields& fields) {
  std::vector<Line> lines;
  for (const Field& field : fields) describe(field, "", lines);
  std::size_t names = 12, shapes = 10, counts = 7;
  for (const Line& line : lines) {
    names = std::max(names, line.name.size());
    shapes = std::max(shapes, line.shapes.size());
    counts = std::max(counts, with_commas(line.count).size());
  }
  const std::size_t width = names + shapes + counts + 4;
  std::string out = fmt::format("{:<{}}  {:<{}}  {:>{}}\n{:=<{}}\n", "Layer (kind)", names, "Parameters",
                                shapes, "Param #", counts, "", width);
  for (const Line& line : lines)
    out += fmt::format("{:<{}}  {:<{}}  {:>{}}\n", line.name, names, line.shapes, shapes,
                       with_commas(line.count), counts);
  const std::int64_t total = count_parameters(fields), trainable = count_parameters(fields, true);
  out += fmt::format("{:=<{}}\nTotal params: {}\nTrainable params: {}\nNon-trainable params: {}\n", "", width,
                     with_commas(total), with_commas(trainable), with_commas(total - trainable));
  return out;
}

ParameterNames names(const Fields& fields) {
  ParameterNames names;
  for (const auto& [name, parameter] : parameters(fields)) names.emplace(parameter->id(), name);
  return names;
}

bool equal(const Fields& a, const Fields& b) {
  const auto left = parameters(a), right = parameters(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](const auto& x, const auto& y) {
    if (x.name != y.name || x.parameter->dtype() != y.parameter->dtype() ||
        !(x.parameter->shape() == y.parameter->shape()))
      return false;
    const Tensor p = kernels::contiguous(x.parameter->value()), q = kernels::contiguous(y.parameter->value());
    const auto bytes = static_cast<std::size_t>(p.count()) * size_of(p.dtype());
    return bytes == 0 || std::memcmp(rill::detail::TensorAccess::data<std::byte>(p),
                                     rill::detail::TensorAccess::data<std::byte>(q), bytes) == 0;
  });
}

void to(const Fields& fields, DType dtype) {
  if (!is_floating(dtype)) throw DTypeError(fmt::format("to: parameters cannot be {}", name(dtype)));
  for (const auto& [name, parameter] : parameters(fields))
    parameter->mutable_value() = kernels::cast(parameter->value(), dtype);
}

void set_trainable(const Fields& fields, bool trainable) {
  for (const auto& [name, parameter] : parameters(fields)) parameter->trainable = trainable;
}

}  // namespace rill::nn
