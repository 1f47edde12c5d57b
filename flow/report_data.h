#pragma once

#include <string>
#include <vector>

#include "rill/flow/report.h"

namespace rill::flow {

struct DataFile {
  std::string name, content;
};

/// One file for each table and picture, in the order of the page, as RFC 4180 has it; a row is a point, a bin
/// or a cell.
std::vector<DataFile> report_csv(const Report& report, const std::string& stem, CsvOptions options);

/// The whole report.
std::string report_json(const Report& report);

}  // namespace rill::flow
