#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rill/flow/csv_options.h"

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

  /// Adds a row to a table, which the first one begins. Throws ValueError for no columns, two of one name or
  /// others than those of the first row, and for names that are not UTF-8.
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
  /// none. Throws, before anything is written, ValueError for a table whose name cannot be that of a file:
  /// one that is empty, "." or "..", or holds a slash or a zero byte. Throws FileError, also where the file
  /// system takes the names of two tables for one.
  void save_csv(const std::string& folder, CsvOptions options = {}) const;

 private:
  const Table* find(const std::string& name) const;
  std::vector<Table> tables_;
};

/// One table as CSV.
std::string to_csv(const Record::Table& table, CsvOptions options = {});

}  // namespace rill::flow
