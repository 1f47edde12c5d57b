#include "rill/nn/fields.h"

#include <algorithm>
#include <unordered_set>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::nn {
namespace {

void collect(const Field& field, const std::string& prefix, std::vector<NamedParameter>& out) {
  const std::string name = prefix.empty() ? field.name() : prefix + "." + field.name();
  if (field.parameter()) out.push_back({name, field.parameter()});
  for (const Field& child : field.children()) collect(child, name, out);
}

}  // namespace

Fields::Fields(std::vector<Field> fields) : fields_(std::move(fields)) {
  std::unordered_set<std::string> names;
  for (const Field& field : fields_) {
    if (field.name().empty() || field.name().find('.') != std::string::npos)
      throw ValueError(fmt::format(
          "fields: \"{}\" is no name for a field; it may not be empty nor hold a dot", field.name()));
    if (!names.insert(field.name()).second)
      throw ValueError(fmt::format("fields: two fields are named \"{}\"", field.name()));
  }
}

std::vector<NamedParameter> parameters(const Fields& fields) {
  std::vector<NamedParameter> out;
  for (const Field& field : fields) collect(field, "", out);
  std::unordered_set<const Parameter*> seen;
  for (const auto& [name, parameter] : out)
    if (!seen.insert(parameter).second)
      throw ValueError(
          fmt::format("fields: the parameter \"{}\" stands at two places of the model; name it once", name));
  return out;
}

}  // namespace rill::nn
