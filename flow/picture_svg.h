#pragma once

#include <string>
#include <vector>

#include "rill/flow/picture.h"

namespace rill::flow {

struct Size {
  int width, height;
};

/// An <svg> element without any text but numbers, without ids, its colours left to CSS: currentColor for the
/// axes, var(--grid), and var(--series-1) ... for the lines. Empty where nothing can be drawn. Throws
/// FileError where gnuplot cannot be run.
std::string svg(const LinePlot& plot, Size size);
std::string svg(const HistogramPlot& histogram, Size size);
std::string svg(const HeatMap& map, Size size);

/// How the series at an index is drawn. Colours and dashes go round with unequal periods, so that 35 series
/// differ.
std::string series_colour(std::size_t index);
/// Lengths of strokes and gaps, as in SVG; empty for a full line.
std::string series_dashes(std::size_t index);

/// The colours of a heat map from low to high, evenly spaced: viridis (Smith and van der Walt 2015).
const std::vector<std::string>& heat_colours();

}  // namespace rill::flow
