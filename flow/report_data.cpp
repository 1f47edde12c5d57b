#include "rill/flow/report_data.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "rill/train/csv.h"

namespace rill::flow {
namespace {

using Json = nlohmann::ordered_json;

std::string line(const std::vector<std::string>& cells, bool escape) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) out += (i ? "," : "") + train::csv_field(cells[i], escape);
  return out + "\n";
}

std::string csv(const Table& table, bool escape) {
  std::string out = line(table.header, escape);
  for (const auto& row : table.rows) out += line(row, escape);
  return out;
}

std::string csv(const LinePlot& plot, bool escape) {
  const bool bands = std::any_of(plot.series.begin(), plot.series.end(),
                                 [](const Series& series) { return !series.lower.empty(); });
  std::string out = bands ? "series,x,y,lower,upper\n" : "series,x,y\n";
  for (const Series& series : plot.series) {
    const auto x = places(series);
    const std::string name = train::csv_field(series.name, escape);
    for (std::size_t i = 0; i < x.size(); ++i) {
      out += fmt::format("{},{},{}", name, x[i], series.y[i]);
      if (!series.lower.empty())
        out += fmt::format(",{},{}", series.lower[i], series.upper[i]);
      else if (bands)
        out += ",,";
      out += "\n";
    }
  }
  return out;
}

std::string csv(const HistogramPlot& histogram, bool escape) {
  std::string out = "series,from,to,count\n";
  for (const auto& [name, edges, counts] : histogram.bins)
    for (std::size_t i = 0; i < counts.size(); ++i)
      out += fmt::format("{},{},{},{}\n", train::csv_field(name, escape), edges[i], edges[i + 1], counts[i]);
  return out;
}

std::string csv(const HeatMap& map, bool) {
  std::string out = "row,column,value\n";
  for (std::size_t row = 0; row < map.rows.size(); ++row)
    for (std::size_t column = 0; column < map.rows[row].size(); ++column)
      fmt::format_to(std::back_inserter(out), "{},{},{}\n", row, column, map.rows[row][column]);
  return out;
}

Json json(const std::string& text) { return {{"kind", "text"}, {"text", text}}; }

Json json(const Table& table) {
  return {{"kind", "table"},
          {"title", table.title},
          {"caption", table.caption},
          {"header", table.header},
          {"rows", table.rows}};
}

Json json(const LinePlot& plot) {
  Json all = Json::array();
  for (const Series& series : plot.series) {
    Json one{{"name", series.name}, {"x", places(series)}, {"y", series.y}};
    if (!series.lower.empty()) {
      one["lower"] = series.lower;
      one["upper"] = series.upper;
    }
    all.push_back(std::move(one));
  }
  return {{"kind", "lines"},         {"title", plot.title},     {"caption", plot.caption},
          {"x_label", plot.x_label}, {"y_label", plot.y_label}, {"logarithmic", plot.logarithmic},
          {"series", std::move(all)}};
}

Json json(const HistogramPlot& histogram) {
  Json all = Json::array();
  for (const auto& [name, edges, counts] : histogram.bins)
    all.push_back(Json{{"name", name}, {"edges", edges}, {"counts", counts}});
  return {{"kind", "histogram"},          {"title", histogram.title},     {"caption", histogram.caption},
          {"x_label", histogram.x_label}, {"y_label", histogram.y_label}, {"series", std::move(all)}};
}

Json json(const HeatMap& map) {
  const auto [low, high] = colour_range(map);
  return {{"kind", "heat map"},
          {"title", map.title},
          {"caption", map.caption},
          {"x_label", map.x_label},
          {"y_label", map.y_label},
          {"value_label", map.value_label},
          {"low", low},
          {"high", high},
          {"rows", map.rows}};
}

// What of a title can be in the name of a file anywhere.
std::string slug(const std::string& title) {
  std::string out;
  for (const char c : title) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9'))
      out += lower;
    else if (!out.empty() && out.back() != '-')
      out += '-';
    if (out.size() == 48) break;
  }
  if (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

}  // namespace

std::vector<DataFile> report_csv(const Report& report, const std::string& stem, CsvOptions options) {
  std::vector<DataFile> out;
  const auto add = [&](const auto& shown) {
    if constexpr (requires { shown.title; }) {
      const std::string words = slug(shown.title);
      out.push_back({fmt::format("{}-{}{}{}.csv", stem, out.size() + 1, words.empty() ? "" : "-", words),
                     csv(shown, options.escape_formulas)});
    }
  };
  for (const auto& section : report.sections())
    for (const auto& item : section.items) std::visit(add, item);
  return out;
}

std::string report_json(const Report& report) {
  Json sections = Json::array();
  for (const auto& section : report.sections()) {
    Json items = Json::array();
    for (const auto& item : section.items)
      items.push_back(std::visit([](const auto& shown) { return json(shown); }, item));
    sections.push_back(Json{{"title", section.title}, {"items", std::move(items)}});
  }
  const Json out{{"title", report.title()}, {"lead", report.lead()}, {"sections", std::move(sections)}};
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace rill::flow
