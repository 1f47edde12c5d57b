#pragma once

// Private to train/: reading and writing JSON so that no error but Rill's own comes out.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rill::train {

using Json = nlohmann::ordered_json;

/// Throws FileError, which begins with `file` and says line and column, for what is not JSON in UTF-8, nests
/// deeper than 64 lists and objects, or gives two values of an object one name.
Json parse_json(std::string_view text, const std::string& file);

/// Throws ValueError, which begins with `file` and names the place, for a string that is not UTF-8.
std::string to_text(const Json& json, int indent, const std::string& file);

/// The largest count that a file may hold: JSON's numbers are exact up to there.
constexpr std::int64_t largest_count = std::int64_t{1} << 53;

/// A value in a file, which knows where it stands. What is asked for and is not there, or is of another kind,
/// throws FileError: "c.json: content.epoch: expected ..., found ...".
class JsonPlace {
 public:
  /// `json` must live longer.
  JsonPlace(const Json& json, std::string file) : json_(&json), file_(std::move(file)) {}

  const Json& json() const { return *json_; }
  std::string where() const;  ///< file and path
  bool has(const std::string& key) const;
  JsonPlace operator[](const std::string& key) const;
  JsonPlace operator[](std::size_t index) const;
  std::vector<std::pair<std::string, JsonPlace>> members() const;  ///< of an object
  std::vector<JsonPlace> elements() const;                         ///< of a list

  const std::string& text() const;
  bool boolean() const;
  std::int64_t count(std::int64_t least = 0) const;  ///< from `least` to largest_count
  std::uint64_t unsigned_64() const;                 ///< any whole number of 64 bits without a sign
  double number() const;  ///< or "inf", "-inf", "nan", for which JSON has no numbers

  [[noreturn]] void fail(std::string_view expected) const;

 private:
  JsonPlace(const Json& json, std::string file, std::string path)
      : json_(&json), file_(std::move(file)), path_(std::move(path)) {}
  void expect(bool right, std::string_view expected) const {
    if (!right) fail(expected);
  }

  const Json* json_;
  std::string file_, path_;
};

/// What `JsonPlace::number` reads.
Json from_number(double value);

}  // namespace rill::train
