#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rill/nn/fields.h"

namespace rill::optim {

/// Settings of their own for the parameters that a pattern names; what is not set is as outside of the group.
/// Where several groups match a parameter, later ones win, setting by setting.
template <class Overrides>
struct Group {
  std::string pattern;  ///< see matches()
  Overrides settings{};
};

/// Whether a pattern names a parameter: it is the whole name or a leading part of it up to a dot. `*` stands
/// for any characters, dots included. "output" matches "output.bias", not "output2.bias"; "*.bias" matches
/// every bias.
bool matches(std::string_view pattern, std::string_view name);

/// Throws ValueError, with the names that there are, when a pattern matches no parameter.
void check_matched(std::string_view pattern, const std::string& rule,
                   const std::vector<nn::NamedParameter>& parameters);

}  // namespace rill::optim
