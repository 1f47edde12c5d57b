#pragma once

namespace rill::flow {

struct CsvOptions {
  /// Put ' before text that a spreadsheet would take for a formula: what begins with =, +, -, @, a tab or the
  /// end of a line and is not a number. Such a file does not give back the names as they were.
  bool escape_formulas = false;
};

}  // namespace rill::flow
