#pragma once

// Functions of a lambda given to `fused` that are made of others, once for its three readings: packets, duals
// and terms. Each is the operation of that name in rill/autograd/ops.h.

#include <concepts>
#include <limits>
#include <numbers>

#include "rill/autograd/fused/dual.h"
#include "rill/autograd/fused/expression.h"
#include "rill/tensor/packet.h"

namespace rill::simd {

template <class V>
constexpr bool is_fused_value = false;
template <class T>
constexpr bool is_fused_value<Packet<T>> = true;
template <class T, unsigned M>
constexpr bool is_fused_value<fuse::Dual<T, M>> = true;
template <>
inline constexpr bool is_fused_value<fuse::Term> = true;

template <class V>
concept FusedValue = is_fused_value<V>;
template <class A, class B>
concept FusedValues = (FusedValue<A> && (FusedValue<B> || Number<B>)) || (Number<A> && FusedValue<B>);

// For who writes `double sum = 0; sum += x;`.
template <class V>
void refuse_to_assign() {
  static_assert(!FusedValue<V>,
                "fused: a number cannot take up a value, as in number += x; begin with a value, as in "
                "auto sum = x + y");
}
template <Number N, FusedValue V>
N& operator+=(N& number, const V&) {
  refuse_to_assign<V>();
  return number;
}
template <Number N, FusedValue V>
N& operator-=(N& number, const V&) {
  refuse_to_assign<V>();
  return number;
}
template <Number N, FusedValue V>
N& operator*=(N& number, const V&) {
  refuse_to_assign<V>();
  return number;
}
template <Number N, FusedValue V>
N& operator/=(N& number, const V&) {
  refuse_to_assign<V>();
  return number;
}

template <FusedValue V>
V stop_gradient(const V& x) {
  return x;
}
template <FusedValue V>
auto neg(const V& x) {
  return -x;
}
template <class A, class B>
requires FusedValues<A, B>
auto equal(const A& a, const B& b) { return a == b; }
template <class A, class B>
requires FusedValues<A, B>
auto not_equal(const A& a, const B& b) { return a != b; }
template <FusedValue V>
auto isfinite(const V& x) {
  return x - x == 0;
}
template <FusedValue V>
auto clamp(const V& x, double low, double high) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  return where(x < low, low, where(x > high, high, where(x == x, x, nan)));
}
template <FusedValue V>
auto leaky_relu(const V& x, double slope = 0.01) {
  return where(x > 0, x, x * slope);
}
template <FusedValue V>
auto elu(const V& x, double alpha = 1) {
  return where(x > 0, x, expm1(x) * alpha);
}
template <FusedValue V>
auto gelu(const V& x) {
  const auto y = x * (erf(x * (1 / std::numbers::sqrt2)) * 0.5 + 0.5);
  return where(x > 40, x, where(x < -40, 0, y));
}

}  // namespace rill::simd

namespace rill::fuse {

using simd::clamp;
using simd::elu;
using simd::equal;
using simd::gelu;
using simd::isfinite;
using simd::leaky_relu;
using simd::neg;
using simd::not_equal;
using simd::operator+=;
using simd::operator-=;
using simd::operator*=;
using simd::operator/=;

}  // namespace rill::fuse
