#include "rill/autograd/ops/reduce.h"

#include <algorithm>
#include <limits>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/ops/reduction.h"
#include "rill/autograd/record.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/reduce.h"

namespace rill {

using detail::Reduction;

namespace detail {

Reduction::Reduction(const Shape& of, const Axes& which, const char* operation)
    : shape(of), kept(of), axes(normalize_axes(which.list(), of.size(), operation)) {
  for (auto axis : axes) {
    count *= shape[static_cast<int>(axis)];
    kept[static_cast<int>(axis)] = 1;
  }
}

void require_floating(const Tensor& x, const char* operation) {
  if (!is_floating(x.dtype()))
    throw DTypeError(
        fmt::format("{}: {} has to be cast to a floating dtype first", operation, name(x.dtype())));
}

}  // namespace detail

namespace {

/// For each element the product of all others along the last axis, without a division: pair by pair, what is
/// outside a pair times the other of the pair.
Tensor product_of_others(const Tensor& x) {
  const std::int64_t n = x.size(-1);
  if (n == 1) return kernels::full(x.shape(), 1, x.dtype());
  const Tensor left = slice(x, -1, {.step = 2});
  Tensor right = slice(x, -1, {.start = 1, .step = 2});
  if (n % 2 == 1) {
    std::vector<std::pair<std::int64_t, std::int64_t>> widths(static_cast<std::size_t>(x.rank()));
    widths.back().second = 1;
    right = pad(right, widths, 1);
  }
  const Tensor outside = product_of_others(left * right);
  const Tensor pairs = stack({outside * right, outside * left}, -1);
  Shape shape = x.shape();
  shape.back() = n + n % 2;
  return slice(reshape(pairs, shape), -1, {0, n});
}

/// The same over all reduced axes together.
Tensor product_of_others(const Tensor& x, const Reduction& r) {
  if (x.count() == 0) return x;
  Dims order, inverse(x.rank(), 0);
  Shape rows;
  for (int i = 0; i < x.rank(); ++i) {
    if (std::find(r.axes.begin(), r.axes.end(), i) != r.axes.end()) continue;
    order.push_back(i);
    rows.push_back(x.shape()[i]);
  }
  for (auto axis : r.axes) order.push_back(axis);
  rows.push_back(r.count);
  for (int i = 0; i < x.rank(); ++i) inverse[static_cast<int>(order[i])] = i;
  const Tensor moved = permute(x, Axes(order));
  return permute(reshape(product_of_others(reshape(moved, rows)), moved.shape()), Axes(inverse));
}

/// The rule of max and min: equal to the extreme y means a share in its gradient.
Tensor share_among_equals(const Tensor& g, const Tensor& x, const Tensor& y, const Reduction& r) {
  const Tensor equals = equal(x, reshape(y, r.kept));
  const Tensor share = equals / sum(equals, Axes(r.axes), {.keepdims = true});
  return where(equal(share, 0), 0, reshape(g, r.kept) * share);
}

/// What exp(x) is of its sum along some axes, given the logarithm y of that sum: where it is infinite, of the
/// largest elements equal shares; where it is 0, nothing.
Tensor shares_in_sum(const Tensor& x, const Tensor& y, const Reduction& r) {
  if (kernels::all_finite(y)) return exp(x - y);
  const Tensor finite = isfinite(y), nothing = equal(y, -std::numeric_limits<double>::infinity());
  const Tensor largest = where(nothing, 0, share_among_equals(ones_like(y), x, y, r));
  return where(finite, exp(where(finite, x - y, 0)), largest);
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, ReduceOptions options) {
  detail::require_values("sum", x);
  const Reduction r(x.shape(), axes, "sum");
  return record("sum", kernels::sum(x, r.axes, options.keepdims),
                wrt(x, [r](const Tensor& g) { return expand(reshape(g, r.kept), r.shape); }));
}

Tensor mean(const Tensor& x, const Axes& axes, ReduceOptions options) {
  detail::require_values("mean", x);
  detail::require_floating(x, "mean");
  const Reduction r(x.shape(), axes, "mean");
  return record("mean", kernels::div(kernels::sum(x, r.axes, options.keepdims), r.count),
                wrt(x, [r](const Tensor& g) { return expand(reshape(g / r.count, r.kept), r.shape); }));
}

Tensor prod(const Tensor& x, const Axes& axes, ReduceOptions options) {
  detail::require_values("prod", x);
  const Reduction r(x.shape(), axes, "prod");
  return record("prod", kernels::prod(x, r.axes, options.keepdims),
                wrt(x, [x, r](const Tensor& g) { return reshape(g, r.kept) * product_of_others(x, r); }));
}

Tensor max(const Tensor& x, const Axes& axes, ReduceOptions options) {
  detail::require_values("max", x);
  const Reduction r(x.shape(), axes, "max");
  return record("max", kernels::max(x, r.axes, options.keepdims),
                wrt(x, [x, r](const Tensor& g, const Tensor& y) { return share_among_equals(g, x, y, r); }));
}

Tensor min(const Tensor& x, const Axes& axes, ReduceOptions options) {
  detail::require_values("min", x);
  const Reduction r(x.shape(), axes, "min");
  return record("min", kernels::min(x, r.axes, options.keepdims),
                wrt(x, [x, r](const Tensor& g, const Tensor& y) { return share_among_equals(g, x, y, r); }));
}

Tensor argmax(const Tensor& x, std::int64_t axis, ReduceOptions options) {
  detail::require_values("argmax", x);
  return kernels::argmax(x, normalize_axis(axis, x.rank(), "argmax"), options.keepdims);
}

Tensor logsumexp(const Tensor& x, const Axes& axes, ReduceOptions options) {
  detail::require_values("logsumexp", x);
  detail::require_floating(x, "logsumexp");
  const Reduction r(x.shape(), axes, "logsumexp");
  return record("logsumexp", kernels::logsumexp(x, r.axes, options.keepdims),
                wrt(x, [x, r](const Tensor& g, const Tensor& y) {
                  return reshape(g, r.kept) * shares_in_sum(x, reshape(y, r.kept), r);
                }));
}

Tensor cumsum(const Tensor& x, std::int64_t axis) {
  detail::require_values("cumsum", x);
  const int a = normalize_axis(axis, x.rank(), "cumsum");
  return record("cumsum", kernels::cumsum(x, a),
                wrt(x, [a](const Tensor& g) { return flip(cumsum(flip(g, a), a), a); }));
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  detail::require_values("sum_to", x);
  if (x.shape() == shape) return x;
  return record("sum_to", kernels::sum_to(x, shape),
                wrt(x, [shape = x.shape()](const Tensor& g) { return expand(g, shape); }));
}

}  // namespace rill
