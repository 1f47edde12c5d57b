#include "rill/flow/picture_svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include "fmt/format.h"
#include "rill/flow/gnuplot.h"

namespace rill::flow {
namespace {

constexpr std::size_t colour_count = 7;
constexpr std::array dashes{"", "9,4", "2,3", "9,3,2,3", "14,4"};

// gnuplot knows no CSS: colours that no one would choose stand for variables, until `tidy` puts those in.
constexpr int axis = 1, grid = 2, first_series = 16;
std::string stand_in(int colour) { return fmt::format("rgb '#0000{:02x}'", colour); }
int series_stand_in(std::size_t index) { return first_series + static_cast<int>(index % colour_count); }

std::string fill(std::size_t index) {
  return fmt::format("lc {} fs transparent solid 0.22 noborder", stand_in(series_stand_in(index)));
}

std::string stroke(std::size_t index) {
  const std::string dash = series_dashes(index);
  return fmt::format("with lines lw 1.8 lc {} dt {}", stand_in(series_stand_in(index)),
                     dash.empty() ? "solid" : "(" + dash + ")");
}

std::string frame(Size size) {
  return fmt::format(
      "set terminal svg size {width},{height} font 'sans-serif,13' linewidth 1 rounded\n"
      "unset key\n"
      "unset colorbox\n"
      "set border 3 lc {axis}\n"
      "set tics nomirror out scale 0.5,0 textcolor {axis}\n"
      "set format '%g'\n"
      "set lmargin 7\nset rmargin 2\nset tmargin 0.7\nset bmargin 1.8\n",
      fmt::arg("width", size.width), fmt::arg("height", size.height), fmt::arg("axis", stand_in(axis)));
}

// The x axis from end to end, with numbers as far apart as they need to be read: gnuplot leaves that to
// whoever knows the font.
std::string x_axis(double from, double to, Size size) {
  if (from == to) {
    from -= 0.5;
    to += 0.5;
  }
  const double least = (to - from) * 60 / size.width;
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  double step = 10 * power;
  for (const double digit : {5.0, 2.0, 1.0})
    if (digit * power >= least) step = digit * power;
  return fmt::format("set xrange [{}:{}]\nset xtics {}\n", from, to, step);
}

std::string gridded(Size size) {
  return frame(size) + fmt::format("set grid ytics lt 1 lw 1 lc {}\n", stand_in(grid));
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

void erase_all(std::string& text, std::string_view from, std::string_view to) {
  std::size_t at = 0;
  while ((at = text.find(from, at)) != std::string::npos) {
    const std::size_t end = text.find(to, at + from.size());
    if (end == std::string::npos) return;
    text.erase(at, end + to.size() - at);
  }
}

// gnuplot opens a group for every style that it passes through.
void erase_empty_groups(std::string& text) {
  constexpr std::string_view closing = "\n</g>\n";
  for (std::size_t at = 0; (at = text.find("<g ", at)) != std::string::npos;) {
    const std::size_t end = text.find('>', at) + 1;
    if (text.compare(end, closing.size(), closing) == 0)
      text.erase(at, end + closing.size() - at);
    else
      at = end;
  }
}

void put_colour(std::string& text, int stand_in, const std::string& colour) {
  replace_all(text, fmt::format("rgb({:3d}, {:3d}, {:3d})", 0, 0, stand_in), colour);
  replace_all(text, fmt::format("rgb(0,0,{})", stand_in), colour);
}

// Makes of gnuplot's file an element that may stand in a page beside others.
std::string tidy(std::string text) {
  text.erase(0, text.find("<svg"));
  erase_all(text, "<title>", "</title>");
  erase_all(text, "<desc>", "</desc>");
  erase_all(text, "<defs>", "</defs>");
  erase_all(text, " id=\"", "\"");
  erase_all(text, " font-family=\"", "\"");
  // The definition of a dot went with the others; it is short enough to stand where it is used.
  replace_all(text, "<use xlink:href='#gpPt6'", "<circle r='1' fill='currentColor' stroke='none'");
  replace_all(text, " color=\"black\"", "");
  replace_all(text, " color=\"white\"", "");
  erase_empty_groups(text);
  put_colour(text, axis, "currentColor");
  put_colour(text, grid, "var(--grid)");
  for (std::size_t i = 0; i < colour_count; ++i) put_colour(text, series_stand_in(i), series_colour(i));
  return text;
}

// A script from settings, then blocks of numbers and how each is plotted.
class Script {
 public:
  explicit Script(std::string settings) : text_(std::move(settings)) {}
  void plot(const std::string& numbers, const std::string& how) {
    if (numbers.find_first_of("0123456789") == std::string::npos) return;
    text_ += fmt::format("$data{} << end_of_data\n{}end_of_data\n", count_, numbers);
    plots_ += fmt::format("{} $data{} {}", count_ ? "," : "plot", count_, how);
    ++count_;
  }
  std::string draw() const { return count_ == 0 ? "" : tidy(run_gnuplot(text_ + plots_ + "\n")); }

 private:
  std::string text_, plots_;
  int count_ = 0;
};

// Rows of numbers; an empty one is a gap. `alone` has the points without a neighbour to be joined with.
struct Rows {
  std::string line, alone, band;
};

Rows rows(const Series& series, bool logarithmic) {
  const auto x = places(series);
  const auto drawn = [&](std::size_t i) { return i < x.size() && can_be_drawn(series.y[i], logarithmic); };
  Rows out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::string point = drawn(i) ? fmt::format("{} {}\n", x[i], series.y[i]) : "\n";
    out.line += point;
    if (drawn(i) && !drawn(i + 1) && (i == 0 || !drawn(i - 1))) out.alone += point;
    if (series.lower.empty()) continue;
    if (can_be_drawn(series.lower[i], logarithmic) && can_be_drawn(series.upper[i], logarithmic))
      fmt::format_to(std::back_inserter(out.band), "{} {} {}\n", x[i], series.lower[i], series.upper[i]);
    else
      out.band += "\n";
  }
  return out;
}

}  // namespace

std::string series_colour(std::size_t index) {
  return fmt::format("var(--series-{})", index % colour_count + 1);
}

std::string series_dashes(std::size_t index) { return dashes[index % dashes.size()]; }

const std::vector<std::string>& heat_colours() {
  static const auto* viridis = new std::vector<std::string>{
      "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"};
  return *viridis;
}

std::string svg(const LinePlot& plot, Size size) {
  double from = places(plot.series[0])[0], to = from;
  for (const Series& series : plot.series)
    for (const double x : places(series)) {
      from = std::min(from, x);
      to = std::max(to, x);
    }
  Script script(gridded(size) + x_axis(from, to, size) +
                (plot.logarithmic ? "set logscale y\nset format y '10^{%L}'\n" : "") +
                (plot.low ? fmt::format("set yrange [{}:]\n", *plot.low) : ""));
  std::vector<Rows> all;
  for (const Series& series : plot.series) all.push_back(rows(series, plot.logarithmic));
  for (std::size_t i = 0; i < all.size(); ++i)
    script.plot(all[i].band, "using 1:2:3 with filledcurves " + fill(i));
  for (std::size_t i = 0; i < all.size(); ++i) {
    script.plot(all[i].line, "using 1:2 " + stroke(i));
    script.plot(all[i].alone, "using 1:2 with points pt 7 ps 0.4 lc " + stand_in(series_stand_in(i)));
  }
  return script.draw();
}

std::string svg(const HistogramPlot& histogram, Size size) {
  double from = histogram.bins[0].edges.front(), to = histogram.bins[0].edges.back();
  for (const Bins& bins : histogram.bins) {
    from = std::min(from, bins.edges.front());
    to = std::max(to, bins.edges.back());
  }
  Script script(gridded(size) + x_axis(from, to, size) + "set yrange [0:]\n");
  for (std::size_t i = 0; i < histogram.bins.size(); ++i) {
    const auto& [name, edges, counts] = histogram.bins[i];
    std::string outline = fmt::format("{} 0\n", edges.front());
    for (std::size_t j = 0; j < counts.size(); ++j)
      fmt::format_to(std::back_inserter(outline), "{0} {2}\n{1} {2}\n", edges[j], edges[j + 1], counts[j]);
    outline += fmt::format("{} 0\n", edges.back());
    script.plot(outline, "using 1:2 with filledcurves y1=0 " + fill(i));
    script.plot(outline, "using 1:2 " + stroke(i));
  }
  return script.draw();
}

std::string svg(const HeatMap& map, Size size) {
  std::string palette, cells;
  for (std::size_t i = 0; i < heat_colours().size(); ++i)
    palette += fmt::format("{}{} '{}'", i ? ", " : "", i, heat_colours()[i]);
  bool any = false;
  for (std::size_t row = 0; row < map.rows.size(); ++row)
    for (std::size_t column = 0; column < map.rows[row].size(); ++column) {
      const double value = map.rows[row][column];
      any = any || std::isfinite(value);
      fmt::format_to(std::back_inserter(cells), "{} {} {}\n", column, row,
                     std::isfinite(value) ? fmt::format("{}", value) : "NaN");
    }
  if (!any) return "";
  const auto [low, high] = colour_range(map);
  const auto columns = static_cast<double>(map.rows[0].size());
  Script script(frame(size) + x_axis(-0.5, columns - 0.5, size) +
                fmt::format("set palette defined ({})\nset cbrange [{}:{}]\nset yrange [-0.5:{}]\n", palette,
                            low, high, static_cast<double>(map.rows.size()) - 0.5));
  script.plot(cells, "using 1:2:3 with image");
  return script.draw();
}

}  // namespace rill::flow
