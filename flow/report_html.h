#pragma once

#include <string>
#include <vector>

#include "rill/flow/report_data.h"

namespace rill::flow {

/// The page, with a link to the file of each table and picture. Every picture is drawn twice, for a phone's
/// width and for a wider one. Throws FileError where gnuplot cannot be run.
std::string report_html(const Report& report, const std::vector<DataFile>& files);

}  // namespace rill::flow
