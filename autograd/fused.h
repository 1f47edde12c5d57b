#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/autograd/fused/composed.h"
#include "rill/autograd/fused/dual.h"
#include "rill/autograd/fused/expression.h"
#include "rill/autograd/named.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/packet.h"
#include "rill/tensor/rows.h"

namespace rill {

namespace fuse {

using simd::load;
using simd::make_output;
using simd::Row;
using simd::store;

template <class R>
struct Outputs {
  static constexpr std::size_t count = 1;
  static constexpr bool are_values = std::convertible_to<R, Packet<float>>;
};
template <class... R>
struct Outputs<std::tuple<R...>> {
  static constexpr std::size_t count = sizeof...(R);
  static constexpr bool are_values = (std::convertible_to<R, Packet<float>> && ...);
};
template <>
struct Outputs<void> {
  static constexpr bool are_values = false;
};

template <class R>
auto as_tuple(R result) {
  if constexpr (requires { std::tuple_size<R>::value; })
    return result;
  else
    return std::tuple<R>(std::move(result));
}

template <class T, std::size_t>
using Repeat = T;

/// Whether f can be called with values of these types.
template <class F, class... T>
constexpr bool takes = requires(const F& f) {
  f(std::declval<T>()...);
};

/// Whether all that an F holds lies in its own bytes: no reference, no pointer, in no member of a member
/// either. Only such a type can be made of bytes while compiling.
template <class F>
constexpr bool holds_values = requires {
  typename std::bool_constant<(static_cast<void>(std::bit_cast<F>(std::array<std::byte, sizeof(F)>{})),
                               true)>;
};

template <class F, class T, std::size_t... I>
using ResultOf = decltype(std::declval<const F&>()(std::declval<Repeat<T, I>>()...));

/// First reading: the values of the outputs. Operands: inputs, outputs. Flattened, because a call of one of
/// the functions that f is made of would spill all vector registers.
template <class T, class F, std::size_t... I>
[[gnu::flatten]] void forward_row(const void* context, const Row& row) {
  const F& f = *static_cast<const F*>(context);
  for (std::int64_t at = 0; at < row.count; at += Packet<T>::width) {
    const std::int64_t left = row.count - at;
    const auto outputs = as_tuple(f(load<T>(row, I, at, left)...));
    std::apply(
        [&](const auto&... y) {
          std::size_t k = sizeof...(I);
          (store<T>(row, k++, at, left, y), ...);
        },
        outputs);
  }
}

template <unsigned Input, class T, unsigned M>
void add_partial(Packet<T>& sum, Packet<T> g, const Dual<T, M>& y) {
  if constexpr (Dual<T, M>::has(Input)) sum = xsimd::fma(g.v, y.template by<Input>().v, sum.v);
}
template <unsigned Input, class T, Number N>
void add_partial(Packet<T>&, Packet<T>, N) {}

/// Second reading: the gradients of the inputs. Operands: inputs, cotangents of the outputs, gradients.
template <class T, class F, std::size_t Outputs, std::size_t... I>
[[gnu::flatten]] void backward_row(const void* context, const Row& row) {
  constexpr std::size_t inputs = sizeof...(I);
  const F& f = *static_cast<const F*>(context);
  for (std::int64_t at = 0; at < row.count; at += Packet<T>::width) {
    const std::int64_t left = row.count - at;
    // What a step computed is no longer in the cache when the sweep comes back to it, and the processor
    // itself does not fetch ahead along as many operands as there are here.
    if (row.next) (simd::prefetch_next<T>(row, I, at), ...);
    const auto outputs = as_tuple(f(Dual<T, 1U << I>{load<T>(row, I, at, left), {Packet<T>(1)}}...));
    std::array<Packet<T>, Outputs> g;
    for (std::size_t j = 0; j < Outputs; ++j) g[j] = load<T>(row, inputs + j, at, left);
    const auto give = [&]<std::size_t Input>(std::integral_constant<std::size_t, Input>) {
      constexpr std::size_t k = inputs + Outputs + Input;
      if (!row.data[k]) return;
      Packet<T> sum(0);
      std::apply(
          [&](const auto&... y) {
            std::size_t j = 0;
            (add_partial<static_cast<unsigned>(Input)>(sum, g[j++], y), ...);
          },
          outputs);
      if (row.adds && row.adds[k]) sum = sum + load<T>(row, k, at, left);
      store<T>(row, k, at, left, sum);
    };
    (give(std::integral_constant<std::size_t, I>{}), ...);
  }
}

/// Third reading: the values of the outputs, of that shape, by operations on tensors.
template <class F, std::size_t... I>
std::vector<Tensor> on_tensors(const F& f, std::span<const Tensor> inputs, const Shape& shape,
                               std::index_sequence<I...>) {
  Expression expression(sizeof...(I));
  const auto outputs = std::apply([](const auto&... y) { return std::array{Term(y)...}; },
                                  as_tuple(f(expression.input(I)...)));
  return expression.evaluate(inputs, outputs, shape);
}

/// The rule of a fused operation.
template <class F, std::size_t Outputs, std::size_t... I>
struct Rule {
  F f;
  std::array<Tensor, sizeof...(I)> inputs;
  Shape shape;

  void operator()(Backward& b) {
    if (b.recorded())
      through_tensors(b);
    else
      through_duals(b);
  }

  void through_duals(Backward& b) {
    constexpr std::size_t n = sizeof...(I);
    std::array<Tensor, n + Outputs + n> operands;
    std::copy(inputs.begin(), inputs.end(), operands.begin());
    for (std::size_t j = 0; j < Outputs; ++j)
      operands[n + j] =
          b.cotangent(j).defined() ? b.cotangent(j) : expand(zeros({}, inputs[0].dtype()), shape);
    std::array<bool, n> in_place{};
    std::array<simd::Sum, n> sums;
    std::size_t summed = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (!b.wants(i)) continue;
      const bool repeats = !(inputs[i].shape() == shape);
      // A tape that checks values is to name the element that is not finite.
      if (repeats && !detail::checking) {
        sums[summed++] = {i, n + Outputs + i, {}};
        continue;
      }
      Tensor& gradient = operands[n + Outputs + i];
      if (!repeats) gradient = b.destination(i, inputs[i]);
      in_place[i] = gradient.defined();
      if (!in_place[i]) gradient = make_output(operands, shape, inputs[0].dtype());
    }
    simd::run(shape, operands, n + Outputs,
              inputs[0].dtype() == DType::float32 ? &backward_row<float, F, Outputs, I...>
                                                  : &backward_row<double, F, Outputs, I...>,
              &f, std::span(sums).first(summed));
    for (std::size_t k = 0; k < summed; ++k) operands[sums[k].output] = sums[k].value;
    for (std::size_t i = 0; i < n; ++i)
      if (b.wants(i) && !in_place[i]) b.give(i, operands[n + Outputs + i]);
  }

  /// Third reading, as differentiable operations: for derivatives of higher order.
  void through_tensors(Backward& b) {
    std::vector<std::size_t> wanted;
    std::vector<Tensor> sources;
    auto own = inputs;  // one tensor may be given twice, and each argument has a gradient of its own
    Tape inner;
    for (std::size_t i = 0; i < sizeof...(I); ++i) {
      if (!b.wants(i)) continue;
      wanted.push_back(i);
      own[i] = inner.watch(inputs[i]);
      sources.push_back(own[i]);
    }
    const auto outputs = on_tensors(f, own, shape, std::index_sequence<I...>());
    std::vector<Target> targets;
    for (std::size_t j = 0; j < Outputs; ++j)
      if (b.cotangent(j).defined()) targets.emplace_back(outputs[j], b.cotangent(j));
    auto gradients = inner.gradient(std::span<const Target>(targets), sources);
    for (std::size_t k = 0; k < wanted.size(); ++k) b.give(wanted[k], std::move(gradients[k]));
  }
};

template <class Result, std::size_t... J>
auto as_result(std::span<const Tensor> outputs, std::index_sequence<J...>) {
  if constexpr (requires { std::tuple_size<Result>::value; })
    return std::tuple{outputs[J]...};
  else
    return outputs[0];
}

template <class F, std::size_t... I>
auto apply(F f, std::array<Tensor, sizeof...(I)> given) {
  using Result = ResultOf<F, Packet<float>, I...>;
  constexpr std::size_t outputs = Outputs<Result>::count;

  constexpr std::size_t n = sizeof...(I);
  std::array<Tensor, n + outputs> operands;
  std::move(given.begin(), given.end(), operands.begin());
  const std::span<Tensor> inputs(operands.data(), n), y(operands.data() + n, outputs);
  const Shape shape = simd::common_shape(inputs, "fused");
  if (!is_floating(inputs[0].dtype()))
    throw DTypeError("fused: the inputs have dtype int64; cast them to a floating dtype");
  if (detail::reading_tensors > 0) [[unlikely]] {
    const auto values = on_tensors(f, inputs, shape, std::index_sequence<I...>());
    return as_result<Result>(values, std::make_index_sequence<outputs>());
  }
  for (Tensor& output : y) output = make_output(inputs, shape, inputs[0].dtype());
  simd::run(
      shape, operands, n,
      inputs[0].dtype() == DType::float32 ? &forward_row<float, F, I...> : &forward_row<double, F, I...>, &f);
  if (is_recording()) record_joint("fused", y, inputs, Rule<F, outputs, I...>{f, {inputs[I]...}, shape});
  return as_result<Result>(y, std::make_index_sequence<outputs>());
}

enum class Mistake { none, captures, references, arguments, result };

template <class F, std::size_t... I>
constexpr Mistake first_mistake() {
  if constexpr (!std::is_trivially_copyable_v<F>)
    return Mistake::captures;
  else if constexpr (!holds_values<F>)
    return Mistake::references;
  else if constexpr (!takes<F, Repeat<Packet<float>, I>...>)
    return Mistake::arguments;
  else if constexpr (!Outputs<ResultOf<F, Packet<float>, I...>>::are_values)
    return Mistake::result;
  else if constexpr (!takes<F, Dual<float, 1U << I>...> || !takes<F, Repeat<Term, I>...>)
    return Mistake::arguments;
  else
    return Mistake::none;
}

/// The first mistake ends it, so that the compiler shows no other.
template <class F, std::size_t... I>
auto check_and_apply(F f, const std::array<Tensor, sizeof...(I)>& given, std::index_sequence<I...>) {
  constexpr Mistake mistake = first_mistake<F, I...>();
  static_assert(mistake != Mistake::captures,
                "fused: the lambda may capture numbers only; give the tensors as inputs of fused");
  static_assert(mistake != Mistake::references,
                "fused: the lambda may capture numbers only by value, as in [k] or [k = k], as it is called "
                "again for its gradient; this one holds a reference or a pointer");
  static_assert(
      mistake != Mistake::arguments,
      "fused: the lambda must take one `auto` argument for each tensor, and call nothing on them but "
      "the functions that rill/autograd/fused.h speaks of");
  static_assert(
      mistake != Mistake::result,
      "fused: the lambda must return one value computed from its arguments, or a std::tuple of such");
  if constexpr (mistake == Mistake::none) return apply<F, I...>(std::move(f), given);
}

inline std::array<Tensor, 1> splice(const Tensor& x) { return {x}; }
template <std::size_t N>
std::array<Tensor, N> splice(const std::array<Tensor, N>& x) {
  return x;
}

template <std::size_t... N>
auto join(const std::array<Tensor, N>&... parts) {
  return std::apply([](const auto&... x) { return std::array<Tensor, (N + ...)>{x...}; },
                    std::tuple_cat(parts...));
}

}  // namespace fuse

/// One pass over the elements of several tensors: f is called on corresponding elements and returns one
/// value, or a std::tuple of several; what comes back is a tensor, or a tuple of tensors, of the shape that
/// the inputs broadcast to.
///
///   auto [h, c] = fused([](auto i, auto f, auto g, auto o, auto c) {
///     auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
///     return std::tuple{sigmoid(o) * tanh(next), next};
///   }, split<4>(gates), state);
///
/// f is a generic lambda over `auto` arguments, of + - * /, comparisons, && || !, where, pow, numbers, and
/// the functions of rill/autograd/fused/dual.h and rill/autograd/fused/composed.h. It is read three times: on
/// SIMD packets, which is the forward kernel; on packets of dual numbers, whose types say which partial
/// derivatives there are, which is the derivative kernel, and which needs nothing but the inputs; and as
/// operations on tensors, for derivatives of higher order and for traces (rill/autograd/named.h). So what it
/// captures has to live as long as the tape: it may capture numbers, by value; not tensors, references or
/// pointers. Inputs are tensors, parameters and std::arrays of tensors; views with dense rows, such as the
/// gates that `split<N>` cuts from one product, are read in place, and their gradients are written in place.
/// float32 and float64. The branch that `where` does not take adds nothing to a gradient of any order, not
/// even the NaN that the same written with operations on tensors would add; nor does the argument that
/// maximum, minimum, relu and clamp do not give. Throws ShapeError where shapes do not broadcast, DTypeError
/// where dtypes differ.
template <class F, class... Inputs>
auto fused(F f, const Inputs&... inputs) {
  const auto all = fuse::join(fuse::splice(inputs)...);
  static_assert(std::tuple_size_v<decltype(all)> <= 32, "fused: at most 32 tensors");
  return fuse::check_and_apply(std::move(f), all,
                               std::make_index_sequence<std::tuple_size_v<decltype(all)>>{});
}

}  // namespace rill
