#include "rill/flow/picture.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "fmt/format.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

void expect_size(const std::string& where, const char* what, std::size_t size, std::size_t expected) {
  if (size != expected)
    throw ValueError(fmt::format("{} has {} values in {}; expected {}", where, size, what, expected));
}

}  // namespace

void check(const LinePlot& plot) {
  if (plot.series.empty()) throw ValueError(fmt::format("line plot \"{}\" has no series", plot.title));
  if (plot.low && !can_be_drawn(*plot.low, plot.logarithmic))
    throw ValueError(fmt::format("line plot \"{}\": the y axis cannot begin at {}", plot.title, *plot.low));
  for (const Series& series : plot.series) {
    const auto where = fmt::format("line plot \"{}\": series \"{}\"", plot.title, series.name);
    if (series.y.empty()) throw ValueError(where + " is empty");
    if (!series.x.empty()) expect_size(where, "x", series.x.size(), series.y.size());
    if (!all_finite(series.x)) throw ValueError(where + " has an x that is not finite");
    if (series.lower.empty() && series.upper.empty()) continue;
    expect_size(where, "lower", series.lower.size(), series.y.size());
    expect_size(where, "upper", series.upper.size(), series.y.size());
  }
}

void check(const HistogramPlot& histogram) {
  if (histogram.bins.empty())
    throw ValueError(fmt::format("histogram \"{}\" has no series", histogram.title));
  for (const auto& [name, edges, counts] : histogram.bins) {
    const auto where = fmt::format("histogram \"{}\": series \"{}\"", histogram.title, name);
    if (counts.empty()) throw ValueError(where + " is empty");
    expect_size(where, "edges", edges.size(), counts.size() + 1);
    const bool rising = std::adjacent_find(edges.begin(), edges.end(), std::greater_equal<>()) == edges.end();
    if (!all_finite(edges) || !rising) throw ValueError(where + " has edges that do not rise");
    if (!all_finite(counts) || *std::min_element(counts.begin(), counts.end()) < 0)
      throw ValueError(where + " has a count that is negative or not finite");
  }
}

void check(const HeatMap& map) {
  const auto where = fmt::format("heat map \"{}\"", map.title);
  if (map.rows.size() < 2 || map.rows[0].size() < 2)
    throw ValueError(fmt::format("{} has {} x {} cells; expected at least 2 x 2", where, map.rows.size(),
                                 map.rows.empty() ? 0 : map.rows[0].size()));
  for (const auto& row : map.rows) expect_size(where, "a row", row.size(), map.rows[0].size());
  const auto [low, high] = colour_range(map);
  if (!std::isfinite(low) || !std::isfinite(high) || !(low < high))
    throw ValueError(fmt::format("{} has colours from {} to {}, which is no range", where, low, high));
}

std::pair<double, double> colour_range(const HeatMap& map) {
  double least = std::numeric_limits<double>::infinity(), greatest = -least;
  for (const auto& row : map.rows)
    for (const double value : row) {
      if (!std::isfinite(value)) continue;
      least = std::min(least, value);
      greatest = std::max(greatest, value);
    }
  if (least > greatest) return {map.low.value_or(0), map.high.value_or(1)};
  if (least == greatest) greatest += std::max(1.0, std::abs(greatest));
  return {map.low.value_or(least), map.high.value_or(greatest)};
}

std::string left_out(const LinePlot& plot) {
  std::size_t total = 0, not_finite = 0, not_positive = 0;
  for (const Series& series : plot.series)
    for (const auto* values : {&series.y, &series.lower, &series.upper})
      for (const double value : *values) {
        ++total;
        if (!std::isfinite(value))
          ++not_finite;
        else if (!can_be_drawn(value, plot.logarithmic))
          ++not_positive;
      }
  std::string why;
  if (not_finite) why = fmt::format("{} NaN or infinite", not_finite);
  if (not_positive)
    why += fmt::format("{}{} too small for a logarithmic axis", why.empty() ? "" : ", ", not_positive);
  if (why.empty()) return "";
  return fmt::format("Not drawn: {} of {} values ({}).", not_finite + not_positive, total, why);
}

std::string left_out(const HistogramPlot&) { return ""; }

std::string left_out(const HeatMap& map) {
  std::size_t total = 0, not_finite = 0;
  for (const auto& row : map.rows)
    for (const double value : row) {
      ++total;
      not_finite += !std::isfinite(value);
    }
  if (not_finite == 0) return "";
  return fmt::format("Left empty: {} of {} cells (NaN or infinite).", not_finite, total);
}

std::vector<double> places(const Series& series) {
  if (!series.x.empty()) return series.x;
  std::vector<double> out(series.y.size());
  std::iota(out.begin(), out.end(), 0.0);
  return out;
}

bool can_be_drawn(double y, bool logarithmic) {
  // gnuplot reads a subnormal number as zero.
  return std::isfinite(y) && (!logarithmic || y >= std::numeric_limits<double>::min());
}

}  // namespace rill::flow
