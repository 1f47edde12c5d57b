#pragma once

// Private to train/ and flow/: tables as text.

#include <string>

namespace rill::train {

/// A field of a CSV file (RFC 4180): in quotes where it holds a comma, a quote or the end of a line. With
/// `escape_formulas` a ' stands before what a spreadsheet would take for a formula, which no number is.
std::string csv_field(const std::string& text, bool escape_formulas = false);

}  // namespace rill::train
