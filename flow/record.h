#pragma once

#include <string>
#include <utility>
#include <vector>

namespace rill::flow {

/// A line of a table: numbers by the names of their columns.
using Row = std::vector<std::pair<std::string, double>>;

/// What instruments measured: tables of numbers by name, in the order in which they were begun.
class Record {
 public:
  struct Table {
    std::string name;
    std::vector<std::string> columns;
    std::vector<std::vector<double>> rows;

    /// One column of all rows. Throws ValueError where there is none of that name.
    std::vector<double> operator[](const std::string& column) const;
  };

  /// Adds a row to a table, which the first one begins. Throws ValueError for no columns, or others than
  /// those of the first row.
  void add(const std::string& table, const Row& row);

  bool contains(const std::string& table) const;
  /// Throws ValueError where there is none of that name.
  const Table& operator[](const std::string& table) const;
  const std::vector<Table>& tables() const { return tables_; }

  /// {"table": {"column": [...], ...}, ...}. Where a number is not finite, null.
  std::string to_json() const;
  /// All tables as JSON. Throws FileError.
  void save_json(const std::string& path) const;
  /// A file for each table, folder/table.csv: a heading, then a line a row. Makes the folder where there is
  /// none. Throws FileError.
  void save_csv(const std::string& folder) const;

 private:
  const Table* find(const std::string& name) const;
  std::vector<Table> tables_;
};

/// One table as CSV.
std::string to_csv(const Record::Table& table);

}  // namespace rill::flow
