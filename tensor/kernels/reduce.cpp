#include "rill/tensor/kernels/reduce.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numeric>
#include <type_traits>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/dispatch.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/flush_subnormals.h"
#include "rill/tensor/kernels/scratch.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/packet.h"
#include "rill/tensor/threads.h"

namespace rill::kernels {

using detail::TensorAccess;
using simd::Packet;

namespace {

struct Sum {
  static constexpr const char* name = "sum";
  template <class P>
  static P combine(P a, P b) {
    return a + b;
  }
  template <class T>
  static T identity() {
    return T(0);
  }
};
struct Product {
  static constexpr const char* name = "prod";
  template <class P>
  static P combine(P a, P b) {
    return a * b;
  }
  template <class T>
  static T identity() {
    return T(1);
  }
};
struct Max {
  static constexpr const char* name = "max";
  template <class P>
  static P combine(P a, P b) {
    return maximum(a, b);
  }
  template <class T>
  static T identity() {
    return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::min();
  }
};
struct Min {
  static constexpr const char* name = "min";
  template <class P>
  static P combine(P a, P b) {
    return minimum(a, b);
  }
  template <class T>
  static T identity() {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::max();
  }
};

// A combination of single elements, as packets do it.
template <class Op, class T>
T combine_elements(T a, T b) {
  alignas(64) T out[Packet<T>::width];
  Op::combine(Packet<T>(a), Packet<T>(b)).store(out);
  return out[0];
}

// Blocks of this many elements are combined on their own, and then the blocks: the error of a long sum stays
// small.
constexpr std::int64_t block_size = 1024;

template <class Op, class T>
T reduce_block(const T* x, std::int64_t n) {
  constexpr std::int64_t width = Packet<T>::width;
  T result = Op::template identity<T>();
  std::int64_t i = 0;
  if (n >= 4 * width) {
    Packet<T> a = Packet<T>::load(x), b = Packet<T>::load(x + width), c = Packet<T>::load(x + 2 * width),
              d = Packet<T>::load(x + 3 * width);
    for (i = 4 * width; i + 4 * width <= n; i += 4 * width) {
      a = Op::combine(a, Packet<T>::load(x + i));
      b = Op::combine(b, Packet<T>::load(x + i + width));
      c = Op::combine(c, Packet<T>::load(x + i + 2 * width));
      d = Op::combine(d, Packet<T>::load(x + i + 3 * width));
    }
    alignas(64) T lanes[width];
    Op::combine(Op::combine(a, b), Op::combine(c, d)).store(lanes);
    for (std::int64_t k = 0; k < width; ++k) result = combine_elements<Op>(result, lanes[k]);
  }
  for (; i < n; ++i) result = combine_elements<Op>(result, x[i]);
  return result;
}

template <class Op, class T>
T reduce_row(const T* x, std::int64_t n) {
  if (n <= block_size) return reduce_block<Op>(x, n);
  const std::int64_t half = (n / 2 + block_size - 1) / block_size * block_size;
  return combine_elements<Op>(reduce_row<Op>(x, half), reduce_row<Op>(x + half, n - half));
}

// x [n, inner], rows `stride` apart -> out [inner], for columns [begin, end). Several packets abreast, so
// that memory is read in stretches.
template <class Op, class T>
void reduce_columns(const T* x, std::int64_t n, std::int64_t stride, std::int64_t begin, std::int64_t end,
                    T* out, std::int64_t rows_in_block = 256) {
  constexpr std::int64_t width = Packet<T>::width, abreast = 8;
  const Packet<T> identity(Op::template identity<T>());
  const auto reduce_packets = [&]<std::size_t... K>(std::int64_t c, std::index_sequence<K...>) {
    std::array<Packet<T>, sizeof...(K)> total{(static_cast<void>(K), identity)...};
    for (std::int64_t r0 = 0; r0 < n; r0 += rows_in_block) {
      std::array<Packet<T>, sizeof...(K)> part{(static_cast<void>(K), identity)...};
      for (std::int64_t r = r0; r < std::min(n, r0 + rows_in_block); ++r) {
        const T* const row = x + r * stride + c;
        ((part[K] = Op::combine(part[K], Packet<T>::load(row + static_cast<std::int64_t>(K) * width))), ...);
      }
      ((total[K] = Op::combine(total[K], part[K])), ...);
    }
    (total[K].store(out + c + static_cast<std::int64_t>(K) * width), ...);
  };
  std::int64_t c = begin;
  for (; c + abreast * width <= end; c += abreast * width)
    reduce_packets(c, std::make_index_sequence<abreast>());
  for (; c + width <= end; c += width) reduce_packets(c, std::make_index_sequence<1>());
  for (; c < end; ++c) {
    T total = Op::template identity<T>();
    for (std::int64_t r0 = 0; r0 < n; r0 += rows_in_block) {
      T part = Op::template identity<T>();
      for (std::int64_t r = r0; r < std::min(n, r0 + rows_in_block); ++r)
        part = combine_elements<Op>(part, x[r * stride + c]);
      total = combine_elements<Op>(total, part);
    }
    out[c] = total;
  }
}

// The same of very many rows, halved until they are few: blocks that are added up one by one would be a long
// sum themselves. No more columns than `most_columns`.
constexpr std::int64_t most_columns = 256;
template <class Op, class T>
void reduce_many_rows(const T* x, std::int64_t n, std::int64_t stride, std::int64_t begin, std::int64_t end,
                      T* out) {
  constexpr std::int64_t few = 1024;
  if (n <= few) return reduce_columns<Op>(x, n, stride, begin, end, out, 32);
  const std::int64_t half = (n / 2 + few - 1) / few * few;
  std::array<T, most_columns> rest;
  reduce_many_rows<Op>(x, half, stride, begin, end, out);
  reduce_many_rows<Op>(x + half * stride + begin, n - half, stride, 0, end - begin, rest.data());
  for (std::int64_t c = begin; c < end; ++c)
    out[c] = combine_elements<Op>(out[c], rest[static_cast<std::size_t>(c - begin)]);
}

// A tensor seen as [outer, n, inner], of which n is reduced, and how the result goes back into its shape.
struct Split {
  Tensor x;
  std::int64_t outer = 1, n = 1, inner = 1;
  std::int64_t stride = 0;  // between rows of `inner`; all else is dense
  Shape result;             // in the order of x's memory
  Dims back;                // the permutation to the order of axes that is asked for
  Shape keepdims;           // the result with sizes of 1
};

// The distance between the dense rows of `inner` elements that x consists of; 0 where it does not.
std::int64_t row_stride(const Tensor& x, std::int64_t inner) {
  std::int64_t stride = 0, expected = 1, inside = 1;
  for (int i = x.rank() - 1; i >= 0; --i) {
    if (x.shape()[i] == 1) continue;
    if (inside == inner && stride == 0) expected = stride = x.strides()[i];
    if (x.strides()[i] != expected || expected <= 0) return 0;
    expected *= x.shape()[i];
    inside *= x.shape()[i];
  }
  return stride == 0 ? inner : stride;
}

Split split(const Tensor& x, const Dims& axes) {
  // In the order of memory, so that a dense permuted view is reduced in place.
  Dims order(x.rank(), 0);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return x.strides()[static_cast<int>(a)] > x.strides()[static_cast<int>(b)];
  });
  const auto reduced = [&](std::int64_t axis) {
    return std::find(axes.begin(), axes.end(), axis) != axes.end();
  };
  // The reduced axes must stand together; where they do not, they go last.
  const auto first = std::find_if(order.begin(), order.end(), reduced);
  const auto end = std::find_if_not(first, order.end(), reduced);
  if (std::any_of(end, order.end(), reduced))
    std::stable_partition(order.begin(), order.end(), std::not_fn(reduced));

  Split s;
  Dims kept;
  bool before = true;
  for (auto axis : order) {
    const std::int64_t size = x.shape()[static_cast<int>(axis)];
    if (reduced(axis)) {
      before = false;
      s.n *= size;
    } else {
      (before ? s.outer : s.inner) *= size;
      s.result.push_back(size);
      kept.push_back(axis);
    }
  }
  s.x = permute(x, order);
  s.stride = row_stride(s.x, s.inner);
  if (s.stride == 0 || (s.inner == 1 && s.stride != 1)) {
    s.x = contiguous(s.x);
    s.stride = s.inner;
  }
  Dims rising = kept;
  std::sort(rising.begin(), rising.end());
  for (auto axis : rising) s.back.push_back(std::find(kept.begin(), kept.end(), axis) - kept.begin());
  s.keepdims = x.shape();
  for (auto axis : axes) s.keepdims[static_cast<int>(axis)] = 1;
  return s;
}

Tensor finish(const Split& s, const Tensor& flat, bool keepdims) {
  const Tensor out = permute(reshape(flat, s.result), s.back);
  return keepdims ? reshape(out, s.keepdims) : out;
}

template <class Op>
Tensor reduce(const Tensor& x, const Dims& axes, bool keepdims) {
  const Split s = split(x, axes);
  const Tensor out = Tensor::empty({s.outer, s.inner}, x.dtype());
  if (out.count() == 0) return finish(s, out, keepdims);
  with_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* from = TensorAccess::data<T>(s.x);
    T* to = TensorAccess::raw<T>(out);
    if (s.inner == 1) {
      const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, s.n));
      detail::parallel_for(s.outer, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) to[i] = reduce_row<Op>(from + i * s.n, s.n);
      });
      return;
    }
    const std::int64_t columns = std::min(s.inner, most_columns);
    const std::int64_t blocks = (s.inner + columns - 1) / columns;
    const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, s.n * columns));
    detail::parallel_for(s.outer * blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t i = unit / blocks, c = unit % blocks * columns;
        const T* const matrix = from + i * s.n * s.stride;
        const std::int64_t end_column = std::min(c + columns, s.inner);
        constexpr std::int64_t many = 1 << 14;
        if (s.n > many)
          reduce_many_rows<Op>(matrix, s.n, s.stride, c, end_column, to + i * s.inner);
        else
          reduce_columns<Op>(matrix, s.n, s.stride, c, end_column, to + i * s.inner);
      }
    });
  });
  return finish(s, out, keepdims);
}

void check_not_empty(const Tensor& x, const Dims& axes, const char* operation) {
  for (auto axis : axes)
    if (x.shape()[static_cast<int>(axis)] == 0)
      throw ShapeError(
          fmt::format("{}: axis {} of shape {} has no elements", operation, axis, to_string(x.shape())));
}

Shape reduced_shape(const Tensor& x, const Dims& axes, bool keepdims) {
  Shape shape;
  for (int i = 0; i < x.rank(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!reduced) shape.push_back(x.shape()[i]);
    if (reduced && keepdims) shape.push_back(1);
  }
  return shape;
}

void check_floating(const Tensor& x, const char* operation) {
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: {} {}: expected a floating dtype; cast it", operation, name(x.dtype()),
                                 to_string(x.shape())));
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& axes, bool keepdims) { return reduce<Sum>(x, axes, keepdims); }
Tensor prod(const Tensor& x, const Dims& axes, bool keepdims) { return reduce<Product>(x, axes, keepdims); }
Tensor max(const Tensor& x, const Dims& axes, bool keepdims) {
  check_not_empty(x, axes, "max");
  return reduce<Max>(x, axes, keepdims);
}
Tensor min(const Tensor& x, const Dims& axes, bool keepdims) {
  check_not_empty(x, axes, "min");
  return reduce<Min>(x, axes, keepdims);
}

Tensor argmax(const Tensor& x, int axis, bool keepdims) {
  check_not_empty(x, {axis}, "argmax");
  const Split s = split(x, {axis});
  const Tensor out = Tensor::empty({s.outer, s.inner}, DType::int64);
  with_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* from = TensorAccess::data<T>(s.x);
    std::int64_t* to = TensorAccess::raw<std::int64_t>(out);
    for (std::int64_t i = 0; i < s.outer; ++i)
      for (std::int64_t c = 0; c < s.inner; ++c) {
        const T* column = from + i * s.n * s.stride + c;
        std::int64_t best = 0;
        for (std::int64_t r = 1; r < s.n; ++r) {
          const T value = column[r * s.stride], largest = column[best * s.stride];
          if (largest == largest && (value > largest || value != value)) best = r;
        }
        to[i * s.inner + c] = best;
      }
  });
  return finish(s, out, keepdims);
}

Tensor cumsum(const Tensor& x, int axis) {
  const FlushSubnormals guard;
  const Tensor from = contiguous(x);
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  std::int64_t outer = 1, inner = 1;
  for (int i = 0; i < x.rank(); ++i) {
    if (i < axis) outer *= x.shape()[i];
    if (i > axis) inner *= x.shape()[i];
  }
  const std::int64_t n = x.shape()[axis];
  with_type(x.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* a = TensorAccess::data<T>(from);
    T* b = TensorAccess::raw<T>(out);
    // In double, as each sum is the one before and one element more. Whole numbers wrap around.
    using Total = std::conditional_t<std::same_as<T, std::int64_t>, std::uint64_t, double>;
    const gemm::Scratch<Total> totals(inner);
    for (std::int64_t i = 0; i < outer; ++i) {
      std::fill_n(totals.data(), inner, Total(0));
      for (std::int64_t r = 0; r < n; ++r, a += inner, b += inner)
        for (std::int64_t c = 0; c < inner; ++c)
          b[c] = static_cast<T>(totals.data()[c] += static_cast<Total>(a[c]));
    }
  });
  return out;
}

namespace {

// 1 + a loses digits of a where it is smaller than this.
constexpr double negligible = 1.0 / 16;

bool any(const Tensor& condition) {
  Dims axes;
  for (int i = 0; i < condition.rank(); ++i) axes.push_back(i);
  return condition.count() > 0 && max(condition, axes, false).item() != 0;
}

/// x less its largest element along an axis. Of a row that is all -infinity there is nothing to subtract.
Tensor below_largest(const Tensor& x, int axis) {
  const Tensor largest = max(x, {axis}, true);
  return sub(x, where(equal(largest, -std::numeric_limits<double>::infinity()), 0.0, largest));
}

/// The sum of exp(x) over the elements below 0, which is the largest.
Tensor sum_of_the_rest(const Tensor& x, const Dims& axes) {
  return sum(where(equal(x, 0.0), 0.0, exp(x)), axes, true);
}

}  // namespace

Tensor logsumexp(const Tensor& x, const Dims& axes, bool keepdims) {
  check_floating(x, "logsumexp");
  for (auto axis : axes)
    if (x.shape()[static_cast<int>(axis)] == 0)
      return full(reduced_shape(x, axes, keepdims), -std::numeric_limits<double>::infinity(), x.dtype());
  const Tensor largest = max(x, axes, true);
  // Where the largest is infinite, so is the result; there nothing is to be subtracted.
  const Tensor shift = where(isfinite(largest), largest, 0.0);
  const Tensor shifted = sub(x, shift), total = sum(exp(shifted), axes, true);
  Tensor out = log(total);
  const Tensor alone = mul(greater_equal(total, 1.0), less(total, 1 + negligible));
  if (any(alone)) out = where(alone, log1p(sum_of_the_rest(shifted, axes)), out);
  return reshape(add(out, shift), reduced_shape(x, axes, keepdims));
}

Tensor softmax(const Tensor& x, int axis) {
  check_floating(x, "softmax");
  if (x.count() == 0) return copy(x);
  const Tensor e = exp(below_largest(x, axis));
  return div(e, maximum(sum(e, {axis}, true), 1.0));
}

Tensor log_softmax(const Tensor& x, int axis) {
  check_floating(x, "log_softmax");
  if (x.count() == 0) return copy(x);
  const Tensor shifted = below_largest(x, axis);
  return sub(shifted, log(maximum(sum(exp(shifted), {axis}, true), 1.0)));
}

Tensor exact_near_zero(const Tensor& x, int axis, const Tensor& log_softmax) {
  const Tensor near = greater(log_softmax, -negligible);
  if (!any(near)) return {};
  return where(near, neg(log1p(sum_of_the_rest(below_largest(x, axis), {axis}))), log_softmax);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int added = x.rank() - shape.size();
  bool fits = added >= 0;
  Dims axes;
  for (int i = 0; fits && i < x.rank(); ++i) {
    const std::int64_t to = i < added ? 1 : shape[i - added];
    if (i < added || (to == 1 && x.shape()[i] != 1))
      axes.push_back(i);
    else if (to != x.shape()[i])
      fits = false;
  }
  if (!fits)
    throw ShapeError(
        fmt::format("sum_to: shape {} is not broadcast to {}", to_string(shape), to_string(x.shape())));
  return axes.empty() ? reshape(x, shape) : reshape(sum(x, axes, true), shape);
}

}  // namespace rill::kernels
