#include "rill/tensor/format.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/dispatch.h"

namespace rill {
namespace {

// NumPy's: more elements than this are cut to three at each end of every axis.
constexpr std::int64_t most_elements = 1000;
constexpr std::int64_t edge = 3;
constexpr int precision = 8;

// How all numbers of a tensor are written: alike, as wide as the widest.
struct Style {
  bool floating = false, scientific = false;
  int decimals = 0;
  std::size_t width = 0;

  std::string text(double value) const {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    if (!floating) return fmt::format("{}", static_cast<std::int64_t>(value));
    std::string digits =
        scientific ? fmt::format("{:.{}e}", value, decimals) : fmt::format("{:.{}f}", value, decimals);
    if (decimals == 0) digits.insert(std::min(digits.find('e'), digits.size()), ".");
    if (scientific) return digits;
    // Zeros at the end are left blank, so that the points stand in a column.
    const auto last = digits.find_last_not_of('0');
    std::fill(digits.begin() + static_cast<std::ptrdiff_t>(last) + 1, digits.end(), ' ');
    return digits;
  }
};

// The digits after the point that a number needs, of at most 8.
int decimals_of(double value, bool scientific, bool single) {
  std::string digits =
      scientific ? fmt::format("{:.{}e}", value, precision) : fmt::format("{:.{}f}", value, precision);
  if (scientific) digits = digits.substr(0, digits.find('e'));
  if (single && !scientific) {
    // Digits that tell the float from its neighbours are enough.
    const std::string shortest = fmt::format("{}", static_cast<float>(value));
    const auto point = shortest.find('.');
    if (shortest.find('e') == std::string::npos)
      return point == std::string::npos ? 0
                                        : std::min(precision, static_cast<int>(shortest.size() - point - 1));
  }
  const auto last = digits.find_last_not_of('0');
  const auto point = digits.find('.');
  return last <= point ? 0 : static_cast<int>(last - point);
}

Style style_of(const std::vector<double>& values, DType dtype) {
  Style style;
  style.floating = is_floating(dtype);
  double largest = 0, smallest = INFINITY;
  for (double v : values) {
    if (!std::isfinite(v) || v == 0) continue;
    largest = std::max(largest, std::abs(v));
    smallest = std::min(smallest, std::abs(v));
  }
  style.scientific =
      style.floating && largest > 0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000);
  if (style.floating)
    for (double v : values)
      if (std::isfinite(v))
        style.decimals = std::max(style.decimals, decimals_of(v, style.scientific, dtype == DType::float32));
  for (double v : values) style.width = std::max(style.width, style.text(v).size());
  return style;
}

struct Printer {
  const std::vector<double>& values;
  const Shape& shape;  // of the values
  const std::vector<bool>& cut;
  const Style& style;
  std::size_t next = 0;

  std::string print(int axis) {
    if (axis == shape.size()) return fmt::format("{:>{}}", style.text(values[next++]), style.width);
    std::string out = "[";
    const std::int64_t size = shape[axis];
    const bool last = axis == shape.size() - 1;
    for (std::int64_t i = 0; i < size; ++i) {
      if (i > 0) out += separator(axis, last);
      if (cut[static_cast<std::size_t>(axis)] && i == edge) out += "..." + separator(axis, last);
      out += print(axis + 1);
    }
    return out + "]";
  }
  std::string separator(int axis, bool last) const {
    if (last) return " ";
    return std::string(static_cast<std::size_t>(shape.size() - axis - 1), '\n') +
           std::string(static_cast<std::size_t>(axis + 1), ' ');
  }
};

// The elements of a shape in which an axis may lack what is between its two ends.
std::vector<double> elements(const Tensor& x, const Shape& shown) {
  std::vector<double> values;
  Dims index(shown.size(), 0);
  kernels::with_type(x.dtype(), [&](auto type) {
    const auto* first = detail::TensorAccess::data<decltype(type)>(x);
    for (std::int64_t left = count(shown); left > 0; --left) {
      std::int64_t place = 0;
      for (int axis = 0; axis < shown.size(); ++axis) {
        const bool is_at_end = index[axis] >= edge;
        place += (index[axis] + (is_at_end ? x.shape()[axis] - shown[axis] : 0)) * x.strides()[axis];
      }
      values.push_back(static_cast<double>(first[place]));
      for (int axis = shown.size() - 1; axis >= 0 && ++index[axis] == shown[axis]; --axis) index[axis] = 0;
    }
  });
  return values;
}

}  // namespace

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) return "(no value)";
  Shape shown = tensor.shape();
  std::vector<bool> cut(static_cast<std::size_t>(tensor.rank()), false);
  if (tensor.count() > most_elements)
    for (int axis = 0; axis < tensor.rank(); ++axis) {
      if (shown[axis] <= 2 * edge) continue;
      cut[static_cast<std::size_t>(axis)] = true;
      shown[axis] = 2 * edge;
    }
  const auto values = elements(tensor, shown);
  const Style style = style_of(values, tensor.dtype());
  if (tensor.rank() == 0) return style.text(values[0]);
  return Printer{values, shown, cut, style}.print(0);
}

}  // namespace rill
