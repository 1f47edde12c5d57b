#pragma once

#include <optional>
#include <string>

namespace rill::detail {

/// How many processors the control groups of this process (cgroups of either version) give it the time of,
/// rounded down and at least 1; nothing where they set no limit, or where what stands there cannot be read.
/// `root` is put before the name of every file.
std::optional<int> processor_quota(const std::string& root = "");

/// The number of processors that this process may use at once, at least 1: those that it may run on, or its
/// quota.
int usable_processors();

}  // namespace rill::detail
