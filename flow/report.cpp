#include "rill/flow/report.h"

#include <filesystem>

#include "fmt/format.h"
#include "rill/flow/report_data.h"
#include "rill/flow/report_html.h"
#include "rill/tensor/error.h"
#include "rill/train/atomic_file.h"

namespace rill::flow {

Report::Report(std::string title, std::string lead) : title_(std::move(title)), lead_(std::move(lead)) {}

Report& Report::section(std::string title) {
  sections_.push_back({std::move(title), {}});
  return *this;
}

Report& Report::text(std::string paragraph) { return put(std::move(paragraph)); }

Report& Report::add(Table table) {
  if (table.header.empty() || table.rows.empty())
    throw ValueError(fmt::format("table \"{}\" is empty", table.title));
  for (const auto& row : table.rows)
    if (row.size() != table.header.size())
      throw ValueError(fmt::format("table \"{}\" has a row of {} cells under a header of {}", table.title,
                                   row.size(), table.header.size()));
  return put(std::move(table));
}

Report& Report::add(LinePlot plot) {
  check(plot);
  return put(std::move(plot));
}

Report& Report::add(HistogramPlot histogram) {
  check(histogram);
  return put(std::move(histogram));
}

Report& Report::add(HeatMap map) {
  check(map);
  return put(std::move(map));
}

Report& Report::put(Item item) {
  if (sections_.empty()) sections_.emplace_back();
  sections_.back().items.push_back(std::move(item));
  return *this;
}

void Report::check_path(const std::string& path) {
  if (std::filesystem::path(path).extension() != ".html")
    throw ValueError(fmt::format("report: \"{}\" does not end in .html", path));
  train::check_writable(path);
}

void Report::save(const std::string& path, CsvOptions options) const {
  check_path(path);
  const std::filesystem::path page = path;
  const auto files = report_csv(*this, page.stem().string(), options);
  // Drawn before anything is written, so that a page that cannot be drawn leaves nothing behind.
  const std::string html = report_html(*this, files);
  for (const DataFile& file : files)
    train::write_atomically((page.parent_path() / file.name).string(), file.content);
  train::write_atomically(std::filesystem::path(page).replace_extension(".json").string(),
                          report_json(*this));
  train::write_atomically(path, html);
}

}  // namespace rill::flow
