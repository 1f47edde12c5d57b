#include "rill/flow/report_html.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/flow/picture_svg.h"
#include "rill/flow/report_style.h"
#include "rill/tensor/utf8.h"

namespace rill::flow {
namespace {

constexpr Size wide{720, 340}, narrow{344, 260};

constexpr const char* replacement = "\xEF\xBF\xBD";  // U+FFFD

std::string as_utf8(std::string_view text) {
  std::string out;
  for (std::size_t bad; (bad = find_invalid_utf8(text)) != std::string_view::npos;
       text.remove_prefix(bad + 1))
    out.append(text.substr(0, bad)).append(replacement);
  return out.append(text);
}

std::string escaped(const std::string& plain) {
  const std::string text = as_utf8(plain);
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')
      out += replacement;  // no page may hold a control character
    else
      out += c;
  }
  return out;
}

// What of a file's name stands for something else in an address.
std::string address(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

template <class Named>
std::string line_key(const std::vector<Named>& series) {
  std::string out = "<ul class=\"key\">\n";
  for (std::size_t i = 0; i < series.size(); ++i)
    out += fmt::format(
        "<li><svg viewBox=\"0 0 30 10\" aria-hidden=\"true\"><path d=\"M0 5H30\" stroke=\"{}\" "
        "stroke-width=\"2\" stroke-dasharray=\"{}\"/></svg>{}</li>\n",
        series_colour(i), series_dashes(i).empty() ? "none" : series_dashes(i), escaped(series[i].name));
  return out + "</ul>\n";
}

std::string key(const LinePlot& plot) { return line_key(plot.series); }
std::string key(const HistogramPlot& histogram) { return line_key(histogram.bins); }

std::string key(const HeatMap& map) {
  std::string colours;
  for (const std::string& colour : heat_colours()) colours += ", " + colour;
  const auto [low, high] = colour_range(map);
  return fmt::format(
      "<p class=\"scale\"><span>{}</span><span>{:.4g}</span>"
      "<i style=\"background: linear-gradient(to right{})\"></i><span>{:.4g}</span></p>\n",
      escaped(map.value_label), low, colours, high);
}

std::string heading(const std::string& title) {
  return title.empty() ? "" : fmt::format("<h3>{}</h3>\n", escaped(title));
}

std::string caption(const std::string& text, const std::string& notice, const DataFile& data) {
  return fmt::format("<figcaption>{}{}{} <a href=\"{}\" download>Data (CSV)</a></figcaption>\n",
                     escaped(text), notice.empty() ? "" : " ", escaped(notice), address(data.name));
}

template <class Picture>
std::string figure(const Picture& picture, const DataFile& data) {
  std::string out = "<figure>\n" + heading(picture.title) + key(picture);
  const std::string large = svg(picture, wide);
  if (large.empty())
    out += "<p class=\"nothing\">Nothing can be drawn: no value has a place on these axes.</p>\n";
  else
    out += fmt::format(
        "<p class=\"axis\">{}</p>\n<div class=\"picture\" role=\"img\" aria-label=\"{}\">\n"
        "<div class=\"wide\">{}</div>\n<div class=\"narrow\">{}</div>\n</div>\n"
        "<p class=\"axis across\">{}</p>\n",
        escaped(picture.y_label), escaped(picture.title), large, svg(picture, narrow),
        escaped(picture.x_label));
  return out + caption(picture.caption, left_out(picture), data) + "</figure>\n";
}

bool is_numeric(const Table& table, std::size_t column) {
  return std::all_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
    const std::string& cell = row[column];
    const auto digit = cell.find_first_of("0123456789");
    return cell.empty() || cell == "nan" || cell == "inf" || cell == "-inf" || digit == 0 ||
           (digit == 1 && cell[0] == '-');
  });
}

std::string figure(const Table& table, const DataFile& data) {
  const auto line = [&](const char* tag, const std::vector<std::string>& cells) {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i)
      out += fmt::format("<{0}{1}>{2}</{0}>", tag, is_numeric(table, i) ? " class=\"number\"" : "",
                         escaped(cells[i]));
    return "<tr>" + out + "</tr>\n";
  };
  std::string body;
  for (const auto& row : table.rows) body += line("td", row);
  return fmt::format(
      "<figure>\n{}<div class=\"box\" tabindex=\"0\"><table>\n<thead>\n{}</thead>\n<tbody>\n{}</tbody>\n"
      "</table></div>\n{}</figure>\n",
      heading(table.title), line("th", table.header), body, caption(table.caption, "", data));
}

}  // namespace

std::string report_html(const Report& report, const std::vector<DataFile>& files) {
  const std::string title = escaped(report.title());
  // The empty icon keeps a browser from asking for one.
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n"
      "<link rel=\"icon\" href=\"data:,\">\n<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n",
      title, report_style, title);
  if (!report.lead().empty()) out += fmt::format("<p class=\"lead\">{}</p>\n", escaped(report.lead()));
  auto file = files.begin();
  const auto show = [&](const auto& item) {
    if constexpr (requires { item.title; })
      out += figure(item, *file++);
    else
      out += fmt::format("<p>{}</p>\n", escaped(item));
  };
  for (const auto& section : report.sections()) {
    out += "<section>\n";
    if (!section.title.empty()) out += fmt::format("<h2>{}</h2>\n", escaped(section.title));
    for (const auto& item : section.items) std::visit(show, item);
    out += "</section>\n";
  }
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace rill::flow
