#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rill::flow {

/// A line of a picture, and a band about it where `lower` and `upper` are given.
struct Series {
  std::string name;
  std::vector<double> y = {};
  std::vector<double> x = {};      ///< as many as y, finite; empty: 0, 1, 2, ...
  std::vector<double> lower = {};  ///< with `upper`, as many as y: the edges of a shaded band
  std::vector<double> upper = {};
};

/// Lines over one axis. A value that cannot be drawn (NaN, infinite, or zero, negative or subnormal on a
/// logarithmic axis) leaves a gap, and the report says how many there are.
struct LinePlot {
  std::string title;
  std::string caption = {};  ///< how to read it
  std::string x_label = {};
  std::string y_label = {};
  bool logarithmic = false;  ///< the y axis
  std::optional<double> low =
      {};  ///< where the y axis begins, below which lines are cut off; unset: below all
  std::vector<Series> series = {};
};

/// Counts, or densities, between edges.
struct Bins {
  std::string name;
  std::vector<double> edges = {};   ///< finite and rising, one more than counts
  std::vector<double> counts = {};  ///< finite, not negative
};

/// Histograms over one axis, drawn as steps that are filled lightly.
struct HistogramPlot {
  std::string title;
  std::string caption = {};
  std::string x_label = {};
  std::string y_label = "count";
  std::vector<Bins> bins = {};
};

/// A matrix in colour, its first row at the bottom, under a bar that says which colour is which value. A cell
/// that is not finite stays empty.
struct HeatMap {
  std::string title;
  std::string caption = {};
  std::string x_label = {};  ///< of the columns
  std::string y_label = {};  ///< of the rows
  std::string value_label = {};
  std::vector<std::vector<double>> rows = {};  ///< at least two, of one size, which is at least two
  std::optional<double> low = {};   ///< the value of the first colour; unset: the least of the rows
  std::optional<double> high = {};  ///< the value of the last colour; unset: the greatest
};

/// Throws ValueError, which names the picture, for a series without points, sizes that differ, places that
/// are not finite, edges that do not rise, or a range of colours that is none.
void check(const LinePlot& plot);
void check(const HistogramPlot& histogram);
void check(const HeatMap& map);

/// Where the colours of a heat map begin and end.
std::pair<double, double> colour_range(const HeatMap& map);

/// One sentence on the values that cannot be drawn, empty where all can.
std::string left_out(const LinePlot& plot);
std::string left_out(const HistogramPlot& histogram);
std::string left_out(const HeatMap& map);

/// The x of every point: 0, 1, 2, ... where the series gives none.
std::vector<double> places(const Series& series);

/// Whether the axis has a place for y.
bool can_be_drawn(double y, bool logarithmic);

}  // namespace rill::flow
