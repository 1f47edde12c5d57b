#include "rill/tensor/utf8.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

// The bytes of the character that begins at `at`; 0 where none does (RFC 3629, section 4).
std::size_t character_size(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at), second = byte_at(text, at + 1);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  // No code in more bytes than it needs, none of UTF-16's halves, and none above U+10FFFF.
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high) return 0;
  const std::size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  for (std::size_t i = 2; i < size; ++i)
    if ((byte_at(text, at + i) & 0xC0) != 0x80) return 0;
  return size;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(text, at);
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

void check_utf8(std::string_view text, std::string_view what) {
  if (find_invalid_utf8(text) != std::string_view::npos)
    throw ValueError(fmt::format("{}: expected UTF-8 text, found {}", what, quote(text)));
}

std::string quote(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string out = "\"";
  std::size_t at = 0;
  while (at < text.size() && at < longest) {
    const std::size_t size = character_size(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    if (size == 0 || byte < 0x20 || byte == 0x7F)
      out += byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : fmt::format("\\x{:02x}", byte);
    else if (byte == '"' || byte == '\\')
      out += {'\\', text[at]};
    else
      out += text.substr(at, size);
    at += std::max<std::size_t>(1, size);
  }
  return out + (at < text.size() ? "...\"" : "\"");
}

}  // namespace rill
