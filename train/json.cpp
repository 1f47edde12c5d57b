#include "rill/train/json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/utf8.h"

namespace rill::train {
namespace {

constexpr std::size_t largest_depth = 64;

std::string with_key(const std::string& path, const std::string& key) {
  const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
  if (!plain) return fmt::format("{}[{}]", path, quote(key));
  return path.empty() ? key : path + "." + key;
}

std::string with_index(const std::string& path, std::size_t index) {
  return fmt::format("{}[{}]", path, index);
}

std::string at(const std::string& file, const std::string& path) {
  return path.empty() ? file : file + ": " + path;
}

std::string line_and_column(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, position);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  return fmt::format("line {}, column {}", line,
                     before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1);
}

// Puts the values together as the parser meets them, so that depth and names are checked before memory is
// taken for more.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, const std::string& file) : text_(text), file_(file) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(Json::binary_t& value) override { return add(std::move(value)); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool key(std::string& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_object() override {
    check_names();
    open_.pop_back();
    return true;
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    constexpr int number_out_of_range = 406;
    if (error.id == number_out_of_range)
      throw FileError(fmt::format("{}: {}: the number {} is out of range", file_,
                                  line_and_column(text_, position - 1), token));
    if (position > text_.size())
      throw FileError(fmt::format("{}: this is no JSON: the text ends too early, at {}", file_,
                                  line_and_column(text_, text_.size())));
    throw FileError(fmt::format("{}: this is no JSON: unexpected {} at {}", file_,
                                quote(text_.substr(position - 1, 1)), line_and_column(text_, position - 1)));
  }

 private:
  // The parser hands out values in order, so an element's address holds until the next one of its list.
  Json& put(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (parent.is_array()) return parent.get_ref<Json::array_t&>().emplace_back(std::move(value));
    // Not operator[], which looks through all names each time.
    auto& members = parent.get_ref<Json::object_t&>();
    return static_cast<Json::object_t::Container&>(members)
        .emplace_back(std::move(key_), std::move(value))
        .second;
  }
  bool add(Json value) {
    put(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (open_.size() == largest_depth)
      throw FileError(fmt::format("{}: lists and objects are nested more than {} deep", at(file_, path(3)),
                                  largest_depth));
    open_.push_back(&put(std::move(value)));
    return true;
  }
  void check_names() const {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : open_.back()->get_ref<const Json::object_t&>()) names.push_back(name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      throw FileError(
          fmt::format("{}: the name {} is given twice", at(file_, path(open_.size())), quote(*twice)));
  }
  // Of the value that is open, or of one around it, so many levels deep.
  std::string path(std::size_t levels) const {
    std::string out;
    for (std::size_t i = 0; i + 1 < std::min(levels, open_.size()); ++i) {
      if (open_[i]->is_array())
        out = with_index(out, open_[i]->size() - 1);
      else
        out = with_key(out, open_[i]->get_ref<const Json::object_t&>().back().first);
    }
    return out;
  }

  std::string_view text_;
  const std::string& file_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
};

void check_strings(const Json& json, const std::string& file, const std::string& path) {
  if (json.is_string()) check_utf8(json.get_ref<const std::string&>(), at(file, path));
  if (json.is_object())
    for (const auto& [name, value] : json.items()) {
      check_utf8(name, at(file, path) + ": a name");
      check_strings(value, file, with_key(path, name));
    }
  if (json.is_array())
    for (std::size_t i = 0; i < json.size(); ++i) check_strings(json[i], file, with_index(path, i));
}

std::string describe(const Json& json) {
  if (json.is_string()) return quote(json.get_ref<const std::string&>());
  if (json.is_array()) return fmt::format("a list of {}", json.size());
  if (json.is_object()) return fmt::format("an object of {}", json.size());
  return json.dump();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& file) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos)
    throw FileError(
        fmt::format("{}: this is no JSON: {} is not UTF-8 text", file, line_and_column(text, bad)));
  // The parser takes a zero byte for the end.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
    throw FileError(
        fmt::format("{}: this is no JSON: {} holds a zero byte", file, line_and_column(text, zero)));
  Builder builder(text, file);
  Json::sax_parse(text, &builder);
  return builder.take();
}

std::string to_text(const Json& json, int indent, const std::string& file) {
  try {
    return json.dump(indent);
  } catch (const Json::type_error&) {
    check_strings(json, file, "");
    throw;
  }
}

std::string JsonPlace::where() const { return at(file_, path_); }

bool JsonPlace::has(const std::string& key) const {
  expect(json_->is_object(), "an object");
  return json_->contains(key);
}

JsonPlace JsonPlace::operator[](const std::string& key) const {
  if (!has(key)) throw FileError(fmt::format("{}: {} is missing", where(), quote(key)));
  return {json_->at(key), file_, with_key(path_, key)};
}

JsonPlace JsonPlace::operator[](std::size_t index) const {
  return {json_->at(index), file_, with_index(path_, index)};
}

std::vector<std::pair<std::string, JsonPlace>> JsonPlace::members() const {
  expect(json_->is_object(), "an object");
  std::vector<std::pair<std::string, JsonPlace>> out;
  for (const auto& [name, value] : json_->items())
    out.emplace_back(name, JsonPlace(value, file_, with_key(path_, name)));
  return out;
}

std::vector<JsonPlace> JsonPlace::elements() const {
  expect(json_->is_array(), "a list");
  std::vector<JsonPlace> out;
  for (std::size_t i = 0; i < json_->size(); ++i) out.push_back((*this)[i]);
  return out;
}

const std::string& JsonPlace::text() const {
  expect(json_->is_string(), "text");
  return json_->get_ref<const std::string&>();
}

bool JsonPlace::boolean() const {
  expect(json_->is_boolean(), "true or false");
  return json_->get<bool>();
}

std::int64_t JsonPlace::count(std::int64_t least) const {
  const bool right = json_->is_number_unsigned() &&
                     json_->get<std::uint64_t>() <= std::uint64_t{largest_count} &&
                     json_->get<std::int64_t>() >= least;
  if (!right) fail(fmt::format("a whole number from {} to 2^53", least));
  return json_->get<std::int64_t>();
}

std::uint64_t JsonPlace::unsigned_64() const {
  expect(json_->is_number_unsigned(), "a whole number from 0 to 2^64 - 1");
  return json_->get<std::uint64_t>();
}

double JsonPlace::number() const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (*json_ == "inf") return infinity;
  if (*json_ == "-inf") return -infinity;
  if (*json_ == "nan" || *json_ == "-nan") return std::numeric_limits<double>::quiet_NaN();
  expect(json_->is_number(), "a number");
  return json_->get<double>();
}

void JsonPlace::fail(std::string_view expected) const {
  throw FileError(fmt::format("{}: expected {}, found {}", where(), expected, describe(*json_)));
}

Json from_number(double value) { return std::isfinite(value) ? Json(value) : Json(fmt::format("{}", value)); }

}  // namespace rill::train
