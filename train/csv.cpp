#include "rill/train/csv.h"

#include <charconv>

namespace rill::train {
namespace {

bool is_number(const std::string& text) {
  double ignored = 0;
  const char* end = text.data() + text.size();
  return std::from_chars(text.data(), end, ignored).ptr == end;
}

}  // namespace

std::string csv_field(const std::string& text, bool escape_formulas) {
  constexpr const char* beginnings = "=+-@\t\r\n";
  if (escape_formulas && text.find_first_of(beginnings) == 0 && !is_number(text))
    return csv_field("'" + text);
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

}  // namespace rill::train
