#include "rill/flow/length.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

// `prepare` makes a double of an element.
template <class T, class Prepare>
double sum_of_squares(std::span<const T> values, Prepare prepare) {
  std::array<double, 16> sums{};  // several, so that additions need not wait for each other
  std::size_t i = 0;
  for (; i + sums.size() <= values.size(); i += sums.size())
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const double v = prepare(values[i + k]);
      sums[k] += v * v;
    }
  for (; i < values.size(); ++i) {
    const double v = prepare(values[i]);
    sums[0] += v * v;
  }
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

template <class T>
double length_of(std::span<const T> values) {
  // Squares of float32 always fit into a double with all their digits; those of float64 may not.
  constexpr double smallest = std::numeric_limits<double>::min() / std::numeric_limits<double>::epsilon();
  const double total = sum_of_squares(values, [](T v) { return static_cast<double>(v); });
  if (std::isnan(total) || (total >= smallest && std::isfinite(total))) return std::sqrt(total);
  double largest = 0;
  for (const T v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
  if (largest == 0 || !std::isfinite(largest)) return largest;
  int exponent = 0;
  std::frexp(largest, &exponent);
  exponent = std::clamp(exponent, -1000, 1000);
  const double scale = std::ldexp(1.0, -exponent);
  return std::ldexp(
      std::sqrt(sum_of_squares(values, [scale](T v) { return static_cast<double>(v) * scale; })), exponent);
}

template <class T>
std::vector<double> lengths_of(const Tensor& x, std::int64_t rows) {
  const PauseRecording pause;
  const Tensor dense = contiguous(x);
  const auto values = dense.span<T>();
  const std::size_t size = rows == 0 ? 0 : values.size() / static_cast<std::size_t>(rows);
  std::vector<double> out;
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
    out.push_back(length_of(values.subspan(row * size, size)));
  return out;
}

std::vector<double> lengths(const Tensor& x, std::int64_t rows) {
  if (x.dtype() == DType::float32) return lengths_of<float>(x, rows);
  if (x.dtype() == DType::float64) return lengths_of<double>(x, rows);
  throw DTypeError(fmt::format("flow: a tensor of {}; expected float32 or float64", name(x.dtype())));
}

}  // namespace

double length(const Tensor& x) { return lengths(x, 1).front(); }

std::vector<double> row_lengths(const Tensor& x) { return lengths(x, x.rank() == 0 ? 1 : x.size(0)); }

}  // namespace rill::flow
