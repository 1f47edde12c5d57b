#pragma once

#include <string>

namespace rill::flow {

/// What gnuplot prints for a script, run as a child process that reads it from a file without a name: no
/// shell, no settings of the user's. Throws FileError where gnuplot is not found or refuses the script.
std::string run_gnuplot(const std::string& script);

}  // namespace rill::flow
