#include "rill/optim/groups.h"

#include <algorithm>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "rill/tensor/error.h"

namespace rill::optim {
namespace {

bool matches_whole(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (name.substr(0, star) != pattern.substr(0, star)) return false;
  pattern.remove_prefix(star + 1);
  for (std::size_t taken = star; taken <= name.size(); ++taken)
    if (matches_whole(pattern, name.substr(taken))) return true;
  return false;
}

}  // namespace

bool matches(std::string_view pattern, std::string_view name) {
  for (std::size_t end = name.find('.'); end != std::string_view::npos; end = name.find('.', end + 1))
    if (matches_whole(pattern, name.substr(0, end))) return true;
  return matches_whole(pattern, name);
}

void check_matched(std::string_view pattern, const std::string& rule,
                   const std::vector<nn::NamedParameter>& parameters) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : parameters) {
    if (matches(pattern, name)) return;
    names.push_back(name);
  }
  throw ValueError(fmt::format("{}: the group \"{}\" matches no parameter of the model; it has {}", rule,
                               pattern, fmt::join(names, ", ")));
}

}  // namespace rill::optim
