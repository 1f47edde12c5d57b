#include "rill/tensor/utf8.h"

#include <nlohmann/json.hpp>

#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;

TEST_CASE("UTF-8 is what the standard says it is", "[tensor][utf8]") {
  const auto valid = [](const char* text) { return find_invalid_utf8(text) == std::string_view::npos; };
  for (const char* text : {"", "abc", "M\u00fcller", "\u20ac", "\U0001F600", "\x7f", "\xc2\x80",
                           "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(valid(text));
  for (const char* text :
       {"\x80", "\xff", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x98"})
    CHECK_FALSE(valid(text));
  CHECK(find_invalid_utf8("M\xfcller") == 1);
}

TEST_CASE("UTF-8 is what the writer of JSON takes", "[tensor][utf8]") {
  for (int first = 0; first < 256; ++first)
    for (const int second : {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF})
      for (const char* rest : {"", "\x80", "\x80\x80", "a"}) {
        const std::string text = std::string{static_cast<char>(first), static_cast<char>(second)} + rest;
        bool taken = true;
        try {
          static_cast<void>(nlohmann::json(text).dump());
        } catch (const nlohmann::json::exception&) {
          taken = false;
        }
        if ((find_invalid_utf8(text) == std::string::npos) != taken) FAIL("of " << quote(text));
      }
}

TEST_CASE("a sentence shows text that cannot be printed", "[tensor][utf8]") {
  CHECK(quote("a \"b\"\n") == "\"a \\\"b\\\"\\n\"");
  CHECK(quote("M\xfcller\x1b") == "\"M\\xfcller\\x1b\"");
  CHECK(quote("M\u00fcller") == "\"M\u00fcller\"");
  CHECK(quote(std::string(1000, 'x')).size() < 100);
  CHECK_THROWS_WITH(check_utf8("/M\xfcller", "fit: program_options"),
                    "fit: program_options: expected UTF-8 text, found \"/M\\xfcller\"");
  CHECK_NOTHROW(check_utf8("/M\u00fcller", "fit: program_options"));
}
