#pragma once

// Text that comes from outside: names, options, the content of files.

#include <cstddef>
#include <string>
#include <string_view>

namespace rill {

/// Where the first byte stands that does not belong to UTF-8 text; npos where there is none.
std::size_t find_invalid_utf8(std::string_view text);

/// Throws ValueError, which begins with `what` and shows the text, unless it is UTF-8.
void check_utf8(std::string_view text, std::string_view what);

/// The text in quotation marks, as a sentence can hold it: what is not a printable character is escaped, and
/// what is long is cut.
std::string quote(std::string_view text);

}  // namespace rill
