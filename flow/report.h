#pragma once

#include <string>
#include <variant>
#include <vector>

#include "rill/flow/csv_options.h"
#include "rill/flow/picture.h"

namespace rill::flow {

struct Table {
  std::string title;
  std::string caption = {};
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};  ///< each as long as the header
};

/// Findings on a page: sections of text, tables and pictures.
///
///   flow::Report report("Why does this RNN not learn?");
///   report.section("At initialisation").text("...").add(flow::LinePlot{.title = "Gradient norm", ...});
///   report.save("rnn.html");
///
/// gnuplot draws the pictures, and must be installed where a report that has any is saved. All text is plain
/// text: what HTML would take for a tag is shown as it is.
class Report {
 public:
  using Item = std::variant<std::string, Table, LinePlot, HistogramPlot, HeatMap>;
  struct Section {
    std::string title;
    std::vector<Item> items;
  };

  /// `lead` stands under the title.
  explicit Report(std::string title, std::string lead = "");

  /// Begins a section. What is added goes into the last one; before the first there is one without a title.
  Report& section(std::string title);
  /// A paragraph.
  Report& text(std::string paragraph);
  /// These throw ValueError for what cannot be shown: no rows, no points, sizes that differ. Values that are
  /// not finite can.
  Report& add(Table table);
  Report& add(LinePlot plot);
  Report& add(HistogramPlot histogram);
  Report& add(HeatMap map);

  /// Writes, for "name.html":
  ///   name.html                one page without a script, which opens without a network
  ///   name.json                everything on it; null stands for a value that is not finite
  ///   name-1-<title>.csv, ...  the numbers of each table and picture, in order
  /// Each appears whole or not at all, the page last. U+FFFD stands for what is not UTF-8. Throws ValueError
  /// for a path that does not end in .html, FileError where gnuplot is not found or a file cannot be written.
  void save(const std::string& path, CsvOptions options = {}) const;
  /// Throws what `save` would for this path, so that a program can say so before it measures. Writes nothing.
  static void check_path(const std::string& path);

  const std::string& title() const { return title_; }
  const std::string& lead() const { return lead_; }
  const std::vector<Section>& sections() const { return sections_; }

 private:
  Report& put(Item item);

  std::string title_, lead_;
  std::vector<Section> sections_;
};

}  // namespace rill::flow
