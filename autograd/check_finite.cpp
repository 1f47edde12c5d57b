#include "rill/autograd/check_finite.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace rill::detail {
namespace {

struct Range {
  double least = 0, greatest = 0;
  std::int64_t finite = 0, elements = 0, first = -1;  // the place of the first that is not finite
  double first_value = 0;
};

Range range_of(const Tensor& x) {
  Range range;
  for (const double value : x.to_vector<double>()) {
    if (std::isfinite(value)) {
      range.least = range.finite == 0 ? value : std::min(range.least, value);
      range.greatest = range.finite == 0 ? value : std::max(range.greatest, value);
      ++range.finite;
    } else if (range.first < 0) {
      range.first = range.elements;
      range.first_value = value;
    }
    ++range.elements;
  }
  return range;
}

Dims index_of(std::int64_t place, const Shape& shape) {
  Dims index(shape.size(), 0);
  for (int axis = shape.size() - 1; axis >= 0; --axis) {
    index[axis] = place % shape[axis];
    place /= shape[axis];
  }
  return index;
}

std::string describe(const CheckedInput& input) {
  const Range range = range_of(input.value);
  std::string text = input.name.empty() ? to_string(input.value.shape())
                                        : fmt::format("{} {}", input.name, to_string(input.value.shape()));
  if (range.finite > 0) text += fmt::format(" from {:.6g} to {:.6g}", range.least, range.greatest);
  if (range.finite < range.elements)
    text += fmt::format(" with {} not finite already", range.elements - range.finite);
  return text;
}

}  // namespace

std::string non_finite_elements(const Tensor& x) {
  if (!is_floating(x.dtype())) return "";
  const Range range = range_of(x);
  if (range.first < 0) return "";
  return fmt::format("{} of {} elements of {} are not finite, the first {} at {}",
                     range.elements - range.finite, range.elements, to_string(x.shape()),
                     std::isnan(range.first_value) ? "nan"
                     : range.first_value > 0       ? "inf"
                                                   : "-inf",
                     to_string(index_of(range.first, x.shape())));
}

void throw_non_finite(const char* operation, bool backward, const Place& place, const ParameterNames& names,
                      const std::string& what, const std::vector<CheckedInput>& inputs) {
  std::string entered;
  for (const CheckedInput& input : inputs) {
    if (!entered.empty()) entered += "; ";
    entered += describe(input);
  }
  throw NonFiniteError(fmt::format("{}, {}, {}: {}; what entered: {}", operation, to_string(place, names),
                                   backward ? "backward" : "forward", what, entered),
                       operation, backward, place);
}

}  // namespace rill::detail
