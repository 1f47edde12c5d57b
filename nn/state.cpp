#include "rill/nn/state.h"

#include <map>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::nn {

State state(const Fields& fields) {
  State out;
  for (const auto& [name, parameter] : parameters(fields)) out.emplace_back(name, parameter->value());
  return out;
}

std::string differences(const Fields& fields, const State& state) {
  std::string out;
  std::map<std::string, const Tensor*> given;
  for (const auto& [name, value] : state)
    if (!given.emplace(name, &value).second) out += fmt::format("\n  {} is given twice", name);
  for (const auto& [name, parameter] : parameters(fields)) {
    const auto found = given.find(name);
    if (found == given.end() || !found->second->defined()) {
      out += fmt::format("\n  {} is missing", name);
      if (found != given.end()) given.erase(found);
      continue;
    }
    const Tensor& value = *found->second;
    if (!(value.shape() == parameter->shape()))
      out += fmt::format("\n  {} has shape {}, the model expects {}", name, to_string(value.shape()),
                         to_string(parameter->shape()));
    if (value.dtype() != parameter->dtype())
      out += fmt::format("\n  {} has dtype {}, the model expects {}", name, rill::name(value.dtype()),
                         rill::name(parameter->dtype()));
    given.erase(found);
  }
  for (const auto& [name, value] : given) out += fmt::format("\n  {} is not in the model", name);
  return out;
}

void load_state(const Fields& fields, const State& state, const std::string& where) {
  const std::string problems = differences(fields, state);
  if (!problems.empty())
    throw ValueError(fmt::format("{}: the weights do not fit the model:{}", where, problems));
  std::map<std::string, const Tensor*> given;
  for (const auto& [name, value] : state) given[name] = &value;
  for (const auto& [name, parameter] : parameters(fields)) parameter->mutable_value() = *given[name];
}

}  // namespace rill::nn
