#include "rill/flow/record.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/utf8.h"
#include "rill/train/atomic_file.h"
#include "rill/train/csv.h"

namespace rill::flow {
namespace {

bool has_columns(const Record::Table& table, const Row& row) {
  return std::equal(table.columns.begin(), table.columns.end(), row.begin(), row.end(),
                    [](const std::string& column, const auto& entry) { return column == entry.first; });
}

Record::Table begin_table(const std::string& name, const Row& row) {
  check_utf8(name, "record: the name of a table");
  Record::Table table{name, {}, {}};
  for (const auto& [column, value] : row) {
    check_utf8(column, fmt::format("record: a column of table \"{}\"", name));
    if (std::count(table.columns.begin(), table.columns.end(), column) > 0)
      throw ValueError(fmt::format("record: table \"{}\" has two columns \"{}\"", name, column));
    table.columns.push_back(column);
  }
  return table;
}

void check_file_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string("/\0", 2)) != std::string::npos)
    throw ValueError(
        fmt::format("record: the table {} cannot be a file; expected a name without slashes", quote(name)));
}

// What tells a file from all others.
std::pair<dev_t, ino_t> identity(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

}  // namespace

std::vector<double> Record::Table::operator[](const std::string& column) const {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (found == columns.end())
    throw ValueError(fmt::format("record: table \"{}\" has no column \"{}\"", name, column));
  const auto at = static_cast<std::size_t>(found - columns.begin());
  std::vector<double> out;
  for (const auto& row : rows) out.push_back(row[at]);
  return out;
}

const Record::Table* Record::find(const std::string& name) const {
  const auto found =
      std::find_if(tables_.begin(), tables_.end(), [&](const Table& table) { return table.name == name; });
  return found == tables_.end() ? nullptr : &*found;
}

bool Record::contains(const std::string& table) const { return find(table) != nullptr; }

const Record::Table& Record::operator[](const std::string& table) const {
  const Table* found = find(table);
  if (!found) throw ValueError(fmt::format("record: there is no table \"{}\"", table));
  return *found;
}

void Record::add(const std::string& name, const Row& row) {
  if (row.empty()) throw ValueError(fmt::format("record: a row without columns for table \"{}\"", name));
  auto table = std::find_if(tables_.begin(), tables_.end(), [&](const Table& t) { return t.name == name; });
  if (table == tables_.end()) {
    table = tables_.insert(table, begin_table(name, row));
  }
  if (!has_columns(*table, row))
    throw ValueError(fmt::format("record: row {} of table \"{}\" has other columns than the first row",
                                 table->rows.size() + 1, name));
  auto& values = table->rows.emplace_back();
  for (const auto& [column, value] : row) values.push_back(value);
}

std::string Record::to_json() const {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Table& table : tables_) {
    auto& columns = json[table.name] = nlohmann::ordered_json::object();
    for (const std::string& column : table.columns) columns[column] = table[column];
  }
  return json.dump() + "\n";
}

void Record::save_json(const std::string& path) const { train::write_atomically(path, to_json()); }

void Record::save_csv(const std::string& folder, CsvOptions options) const {
  for (const Table& table : tables_) check_file_name(table.name);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw FileError(fmt::format("record: the folder {} cannot be made: {}", folder, error.message()));
  std::set<std::pair<dev_t, ino_t>> written;
  for (const Table& table : tables_) {
    const std::string path = (std::filesystem::path(folder) / (table.name + ".csv")).string();
    if (written.contains(identity(path)))
      throw FileError(
          fmt::format("{}: this is the file of another table, too; expected names that differ", path));
    train::write_atomically(path, to_csv(table, options));
    written.insert(identity(path));
  }
}

std::string to_csv(const Record::Table& table, CsvOptions options) {
  std::string out;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    out += (i ? "," : "") + train::csv_field(table.columns[i], options.escape_formulas);
  out += "\n";
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) out += fmt::format("{}{}", i ? "," : "", row[i]);
    out += "\n";
  }
  return out;
}

}  // namespace rill::flow
