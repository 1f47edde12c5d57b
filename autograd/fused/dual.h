#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <type_traits>

#include "rill/tensor/packet.h"

namespace rill::fuse {

using simd::Condition;
using simd::Number;
using simd::Packet;

/// A packet with its partial derivatives with respect to the inputs whose bits are set in Mask. A partial
/// that is zero for every value is not in the type, so it costs nothing. What a lambda given to `fused` is
/// called with in its second reading.
template <class T, unsigned Mask>
struct Dual {
  static constexpr std::size_t partials = static_cast<std::size_t>(std::popcount(Mask));

  Packet<T> value;
  std::array<Packet<T>, partials> partial;

  static constexpr bool has(unsigned input) { return (Mask >> input) & 1U; }
  static constexpr std::size_t place(unsigned input) {
    return static_cast<std::size_t>(std::popcount(Mask & ((1U << input) - 1)));
  }
  template <unsigned Input>
  const Packet<T>& by() const {
    return partial[place(Input)];
  }
};

/// Whether each element of the duals that were compared meets a condition. It has no derivative.
template <class T>
struct DualCondition {
  Condition<T> of_values;

  DualCondition(Condition<T> c) : of_values(c) {}
  DualCondition(bool b) : of_values(b) {}
  friend DualCondition operator!(DualCondition a) { return !a.of_values; }
  friend DualCondition operator&&(DualCondition a, DualCondition b) { return a.of_values && b.of_values; }
  friend DualCondition operator||(DualCondition a, DualCondition b) { return a.of_values || b.of_values; }
};

// Calls f(std::integral_constant<unsigned, input>) for each input whose bit is set.
template <unsigned Mask, class F>
inline void for_each_input(F f) {
  if constexpr (Mask != 0) {
    constexpr unsigned input = static_cast<unsigned>(std::countr_zero(Mask));
    f(std::integral_constant<unsigned, input>{});
    for_each_input<Mask&(Mask - 1)>(f);
  }
}

// f(x), given the value of f and of its derivative.
template <class T, unsigned M>
inline Dual<T, M> chain(const Dual<T, M>& x, Packet<T> value, Packet<T> derivative) {
  Dual<T, M> out;
  out.value = value;
  for (std::size_t i = 0; i < Dual<T, M>::partials; ++i) out.partial[i] = derivative * x.partial[i];
  return out;
}

// f(a, b), given its value and how a pair of partials combines; each of the two may be absent.
template <class T, unsigned A, unsigned B, class Both, class OnlyA, class OnlyB>
inline Dual<T, A | B> combine(const Dual<T, A>& a, const Dual<T, B>& b, Packet<T> value, Both both,
                              OnlyA only_a, OnlyB only_b) {
  Dual<T, A | B> out;
  out.value = value;
  for_each_input<A | B>([&](auto input) {
    constexpr unsigned i = input;
    auto& p = out.partial[Dual<T, A | B>::place(i)];
    if constexpr (Dual<T, A>::has(i) && Dual<T, B>::has(i))
      p = both(a.template by<i>(), b.template by<i>());
    else if constexpr (Dual<T, A>::has(i))
      p = only_a(a.template by<i>());
    else
      p = only_b(b.template by<i>());
  });
  return out;
}

// f(a, b), given its value and its derivatives by a and by b.
template <class T, unsigned A, unsigned B>
inline Dual<T, A | B> chain(const Dual<T, A>& a, const Dual<T, B>& b, Packet<T> value, Packet<T> by_a,
                            Packet<T> by_b) {
  using P = Packet<T>;
  return combine(
      a, b, value, [&](P p, P q) -> P { return xsimd::fma(by_a.v, p.v, (by_b * q).v); },
      [&](P p) -> P { return by_a * p; }, [&](P q) -> P { return by_b * q; });
}

template <class T, unsigned A, unsigned B>
inline auto operator+(const Dual<T, A>& a, const Dual<T, B>& b) {
  using P = Packet<T>;
  return combine(
      a, b, a.value + b.value, [](P p, P q) { return p + q; }, [](P p) { return p; }, [](P q) { return q; });
}
template <class T, unsigned A, unsigned B>
inline auto operator-(const Dual<T, A>& a, const Dual<T, B>& b) {
  using P = Packet<T>;
  return combine(
      a, b, a.value - b.value, [](P p, P q) { return p - q; }, [](P p) { return p; }, [](P q) { return -q; });
}
template <class T, unsigned A, unsigned B>
inline auto operator*(const Dual<T, A>& a, const Dual<T, B>& b) {
  return chain(a, b, a.value * b.value, b.value, a.value);
}
template <class T, unsigned A, unsigned B>
inline auto operator/(const Dual<T, A>& a, const Dual<T, B>& b) {
  const Packet<T> by_a = 1 / b.value;
  const Packet<T> y = a.value / b.value;
  return chain(a, b, y, by_a, -y * by_a);
}
// Where a condition holds a, else b: the partials of the other do not count, whatever they are.
template <class T, unsigned A, unsigned B>
inline auto select(Condition<T> c, const Dual<T, A>& a, const Dual<T, B>& b, Packet<T> value) {
  using P = Packet<T>;
  return combine(
      a, b, value, [&](P p, P q) { return where(c, p, q); }, [&](P p) { return where(c, p, P(0)); },
      [&](P q) { return where(c, P(0), q); });
}
template <class T, unsigned A, unsigned B>
inline auto where(DualCondition<T> c, const Dual<T, A>& a, const Dual<T, B>& b) {
  return select(c.of_values, a, b, where(c.of_values, a.value, b.value));
}
// One of two, of which each gets half of the gradient where neither is preferred.
template <class T, unsigned A, unsigned B>
inline auto prefer(Condition<T> prefers_a, Condition<T> prefers_b, const Dual<T, A>& a, const Dual<T, B>& b,
                   Packet<T> value) {
  using P = Packet<T>;
  const auto share = [](Condition<T> all, Condition<T> nothing, P p) -> P {
    return where(all, p, where(nothing, P(0), 0.5 * p));
  };
  return combine(
      a, b, value, [&](P p, P q) -> P { return where(prefers_a, p, where(prefers_b, q, 0.5 * p + 0.5 * q)); },
      [&](P p) { return share(prefers_a, prefers_b, p); },
      [&](P q) { return share(prefers_b, prefers_a, q); });
}
template <class T, unsigned A, unsigned B>
inline auto maximum(const Dual<T, A>& a, const Dual<T, B>& b) {
  return prefer(a.value > b.value, a.value < b.value, a, b, maximum(a.value, b.value));
}
template <class T, unsigned A, unsigned B>
inline auto minimum(const Dual<T, A>& a, const Dual<T, B>& b) {
  return prefer(a.value<b.value, a.value> b.value, a, b, minimum(a.value, b.value));
}
// As the operation of that name in rill/autograd/ops/arithmetic.h.
template <class T, unsigned A, unsigned B>
inline auto pow(const Dual<T, A>& a, const Dual<T, B>& b) {
  using P = Packet<T>;
  const P value = pow(a.value, b.value);
  P by_a(0), by_b(0);
  if constexpr (A != 0) by_a = where(a.value == 0 && b.value == 0, P(0), b.value * pow(a.value, b.value - 1));
  if constexpr (B != 0) by_b = where(a.value == 0, P(0), value * log(a.value));
  return chain(a, b, value, by_a, by_b);
}

// A number is a dual without partials.
template <class T, Number N>
inline Dual<T, 0> constant(N number) {
  return {Packet<T>(number), {}};
}
template <class T, unsigned A, Number N>
inline auto operator+(const Dual<T, A>& a, N b) {
  return a + constant<T>(b);
}
template <class T, unsigned A, Number N>
inline auto operator+(N a, const Dual<T, A>& b) {
  return constant<T>(a) + b;
}
template <class T, unsigned A, Number N>
inline auto operator-(const Dual<T, A>& a, N b) {
  return a - constant<T>(b);
}
template <class T, unsigned A, Number N>
inline auto operator-(N a, const Dual<T, A>& b) {
  return constant<T>(a) - b;
}
template <class T, unsigned A, Number N>
inline auto operator*(const Dual<T, A>& a, N b) {
  return a * constant<T>(b);
}
template <class T, unsigned A, Number N>
inline auto operator*(N a, const Dual<T, A>& b) {
  return constant<T>(a) * b;
}
template <class T, unsigned A, Number N>
inline auto operator/(const Dual<T, A>& a, N b) {
  return a / constant<T>(b);
}
template <class T, unsigned A, Number N>
inline auto operator/(N a, const Dual<T, A>& b) {
  return constant<T>(a) / b;
}
template <class T, unsigned A, Number N>
inline auto maximum(const Dual<T, A>& a, N b) {
  return maximum(a, constant<T>(b));
}
template <class T, unsigned A, Number N>
inline auto minimum(const Dual<T, A>& a, N b) {
  return minimum(a, constant<T>(b));
}
template <class T, unsigned A, Number N>
inline auto maximum(N a, const Dual<T, A>& b) {
  return maximum(constant<T>(a), b);
}
template <class T, unsigned A, Number N>
inline auto minimum(N a, const Dual<T, A>& b) {
  return minimum(constant<T>(a), b);
}
template <class T, unsigned A, Number N>
inline auto pow(const Dual<T, A>& a, N b) {
  return pow(a, constant<T>(b));
}
template <class T, unsigned A, Number N>
inline auto pow(N a, const Dual<T, A>& b) {
  return pow(constant<T>(a), b);
}
template <class T, unsigned A, Number N>
inline auto where(DualCondition<T> c, const Dual<T, A>& a, N b) {
  return where(c, a, constant<T>(b));
}
template <class T, unsigned A, Number N>
inline auto where(DualCondition<T> c, N a, const Dual<T, A>& b) {
  return where(c, constant<T>(a), b);
}
template <class T, Number N, Number M>
inline auto where(DualCondition<T> c, N a, M b) {
  return where(c, constant<T>(a), constant<T>(b));
}

// The type of a says by which inputs it has partials, so no assignment can add one.
template <class T, unsigned A, unsigned B>
inline Dual<T, A>& assign(Dual<T, A>& a, const Dual<T, B>& b) {
  static_assert(A == B,
                "fused: in a += b, or -=, *=, /=, a must already depend on every input of fused that b "
                "depends on; write auto c = a + b instead");
  if constexpr (A == B) a = b;
  return a;
}
template <class T, unsigned A, class B>
inline Dual<T, A>& operator+=(Dual<T, A>& a, const B& b) {
  return assign(a, a + b);
}
template <class T, unsigned A, class B>
inline Dual<T, A>& operator-=(Dual<T, A>& a, const B& b) {
  return assign(a, a - b);
}
template <class T, unsigned A, class B>
inline Dual<T, A>& operator*=(Dual<T, A>& a, const B& b) {
  return assign(a, a * b);
}
template <class T, unsigned A, class B>
inline Dual<T, A>& operator/=(Dual<T, A>& a, const B& b) {
  return assign(a, a / b);
}

template <class T, unsigned A>
inline Packet<T> value_of(const Dual<T, A>& a) {
  return a.value;
}
template <Number N>
inline N value_of(N a) {
  return a;
}
template <class D>
struct IsDual : std::false_type {};
template <class T, unsigned M>
struct IsDual<Dual<T, M>> : std::true_type {};
template <class A, class B>
concept OneDual = (IsDual<A>::value && (IsDual<B>::value || Number<B>)) || (Number<A> && IsDual<B>::value);

template <class A, class B>
requires OneDual<A, B>
inline auto operator<(const A& a, const B& b) { return DualCondition(value_of(a) < value_of(b)); }
template <class A, class B>
requires OneDual<A, B>
inline auto operator<=(const A& a, const B& b) { return DualCondition(value_of(a) <= value_of(b)); }
template <class A, class B>
requires OneDual<A, B>
inline auto operator>(const A& a, const B& b) { return DualCondition(value_of(a) > value_of(b)); }
template <class A, class B>
requires OneDual<A, B>
inline auto operator>=(const A& a, const B& b) { return DualCondition(value_of(a) >= value_of(b)); }
template <class A, class B>
requires OneDual<A, B>
inline auto operator==(const A& a, const B& b) { return DualCondition(value_of(a) == value_of(b)); }
template <class A, class B>
requires OneDual<A, B>
inline auto operator!=(const A& a, const B& b) { return DualCondition(value_of(a) != value_of(b)); }

// A condition that is the same for all elements.
template <std::same_as<bool> C, class A, class B>
requires OneDual<A, B>
inline auto where(C c, const A& a, const B& b) { return where(decltype(a == b)(c), a, b); }

template <class T, unsigned M>
inline Dual<T, M> operator+(const Dual<T, M>& x) {
  return x;
}
template <class T, unsigned M>
inline Dual<T, M> operator-(const Dual<T, M>& x) {
  return chain(x, -x.value, Packet<T>(-1));
}
template <class T, unsigned M>
inline Dual<T, M> abs(const Dual<T, M>& x) {
  return chain(x, abs(x.value), sign(x.value));
}
template <class T, unsigned M>
inline Dual<T, 0> sign(const Dual<T, M>& x) {
  return {sign(x.value), {}};
}
template <class T, unsigned M>
inline Dual<T, 0> stop_gradient(const Dual<T, M>& x) {
  return {x.value, {}};
}
template <class T, unsigned M>
inline Dual<T, M> exp(const Dual<T, M>& x) {
  const Packet<T> y = exp(x.value);
  return chain(x, y, y);
}
template <class T, unsigned M>
inline Dual<T, M> expm1(const Dual<T, M>& x) {
  const Packet<T> y = expm1(x.value);
  return chain(x, y, y + 1);
}
template <class T, unsigned M>
inline Dual<T, M> log(const Dual<T, M>& x) {
  return chain(x, log(x.value), 1 / x.value);
}
template <class T, unsigned M>
inline Dual<T, M> log1p(const Dual<T, M>& x) {
  return chain(x, log1p(x.value), 1 / (1 + x.value));
}
template <class T, unsigned M>
inline Dual<T, M> sqrt(const Dual<T, M>& x) {
  const Packet<T> y = sqrt(x.value);
  return chain(x, y, 0.5 / y);
}
template <class T, unsigned M>
inline Dual<T, M> rsqrt(const Dual<T, M>& x) {
  const Packet<T> y = rsqrt(x.value);
  return chain(x, y, -0.5 * y * y * y);
}
template <class T, unsigned M>
inline Dual<T, M> square(const Dual<T, M>& x) {
  return chain(x, x.value * x.value, 2 * x.value);
}
template <class T, unsigned M>
inline Dual<T, M> reciprocal(const Dual<T, M>& x) {
  const Packet<T> y = 1 / x.value;
  return chain(x, y, -y * y);
}
template <class T, unsigned M>
inline Dual<T, M> sin(const Dual<T, M>& x) {
  return chain(x, sin(x.value), cos(x.value));
}
template <class T, unsigned M>
inline Dual<T, M> cos(const Dual<T, M>& x) {
  return chain(x, cos(x.value), -sin(x.value));
}
template <class T, unsigned M>
inline Dual<T, M> erf(const Dual<T, M>& x) {
  constexpr double two_over_root_pi = 1.1283791670955125739;
  return chain(x, erf(x.value), two_over_root_pi * exp(-(x.value * x.value)));
}
template <class T, unsigned M>
inline Dual<T, M> tanh(const Dual<T, M>& x) {
  const Packet<T> y = tanh(x.value);
  return chain(x, y, 1 - y * y);
}
template <class T, unsigned M>
inline Dual<T, M> sigmoid(const Dual<T, M>& x) {
  const Packet<T> y = sigmoid(x.value);
  return chain(x, y, y * (1 - y));
}
template <class T, unsigned M>
inline Dual<T, M> relu(const Dual<T, M>& x) {
  return select(x.value > 0, x, constant<T>(0), relu(x.value));
}
template <class T, unsigned M>
inline Dual<T, M> softplus(const Dual<T, M>& x) {
  return chain(x, softplus(x.value), sigmoid(x.value));
}

}  // namespace rill::fuse
