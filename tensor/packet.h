#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <numbers>
#include <type_traits>

// GCC 12 takes the undefined lanes of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <xsimd/xsimd.hpp>
#pragma GCC diagnostic pop

namespace rill::simd {

#if defined(__OPTIMIZE__) || !XSIMD_WITH_AVX512F
using Architecture = xsimd::default_arch;
#else
// Without optimisation GCC's AVX-512 intrinsics are macros, which xsimd cannot call.
using Architecture = xsimd::avx2;
#endif

template <class A>
constexpr bool is_avx512 = std::is_base_of_v<xsimd::avx512f, A>;

template <class N>
concept Number = std::integral<N> || std::floating_point<N>;

template <class T, class A = Architecture>
struct Packet;

/// Whether each element of a packet meets a condition.
template <class T, class A = Architecture>
struct Condition {
  xsimd::batch_bool<T, A> bits;

  Condition(xsimd::batch_bool<T, A> b) : bits(b) {}
  // xsimd 8 makes lanes of 1 of a true bool, where all bits are to be set.
  Condition(bool b) : bits(xsimd::batch<T, A>(T(0)) == xsimd::batch<T, A>(T(b ? 0 : 1))) {}
  friend Condition operator!(Condition a) { return {!a.bits}; }
  friend Condition operator&&(Condition a, Condition b) { return {a.bits && b.bits}; }
  friend Condition operator||(Condition a, Condition b) { return {a.bits || b.bits}; }
  template <Number N, Number M>
  friend Packet<T, A> where(Condition c, N a, M b) {
    return where(c, Packet<T, A>(a), Packet<T, A>(b));
  }
};

/// As many elements as one instruction works on. Elementwise kernels are written on packets, and a lambda
/// given to `fused` is called with them in its first reading, so that both use the same functions.
template <class T, class A>
struct Packet {
  using Batch = xsimd::batch<T, A>;
  static constexpr int width = static_cast<int>(Batch::size);

  Batch v;

  Packet() = default;
  Packet(Batch batch) : v(batch) {}
  template <Number N>
  Packet(N number) : v(static_cast<T>(number)) {}

  static Packet load(const T* p) { return Batch::load_unaligned(p); }
  /// x within two numbers. One instruction for each, which gives its second operand where that is NaN.
  [[gnu::always_inline]] static Packet within(T low, T high, Packet x) {
    return xsimd::max(Packet(low).v, xsimd::min(Packet(high).v, x.v));
  }
  void store(T* p) const { v.store_unaligned(p); }

  friend Packet operator+(Packet a, Packet b) { return a.v + b.v; }
  friend Packet operator-(Packet a, Packet b) { return a.v - b.v; }
  friend Packet operator*(Packet a, Packet b) { return a.v * b.v; }
  friend Packet operator/(Packet a, Packet b) { return a.v / b.v; }
  friend Packet operator-(Packet a) { return -a.v; }
  friend Packet operator+(Packet a) { return a; }
  Packet& operator+=(Packet b) { return *this = *this + b; }
  Packet& operator-=(Packet b) { return *this = *this - b; }
  Packet& operator*=(Packet b) { return *this = *this * b; }
  Packet& operator/=(Packet b) { return *this = *this / b; }
  friend Condition<T, A> operator<(Packet a, Packet b) { return {a.v < b.v}; }
  friend Condition<T, A> operator<=(Packet a, Packet b) { return {a.v <= b.v}; }
  friend Condition<T, A> operator>(Packet a, Packet b) { return {a.v > b.v}; }
  friend Condition<T, A> operator>=(Packet a, Packet b) { return {a.v >= b.v}; }
  friend Condition<T, A> operator==(Packet a, Packet b) { return {a.v == b.v}; }
  // xsimd's own form is false for NaN with AVX-512.
  friend Condition<T, A> operator!=(Packet a, Packet b) { return !(a == b); }

  friend Packet where(Condition<T, A> c, Packet a, Packet b) { return xsimd::select(c.bits, a.v, b.v); }
  friend Packet abs(Packet x) { return xsimd::abs(x.v); }
  [[gnu::always_inline]] friend Packet exp(Packet x) {
    if constexpr (scales_in_one) {
      const auto [power, rest] = reduce(within(-104, 104, x));  // beyond these, 0 and infinity
      return scale(1 + rest, power);
    }
    return scale_large(x, [](Packet p) -> Packet { return xsimd::exp(p.v); });
  }
  friend Packet expm1(Packet x) { return where(x == 0, x, signless_expm1(x)); }
  friend Packet log(Packet x) {
    if constexpr (sizeof(T) == 4) return xsimd::log(x.v);
    // xsimd's double form takes subnormal numbers for larger ones.
    const Condition<T, A> subnormal = x < std::numeric_limits<T>::min();
    const Packet y = xsimd::log(where(subnormal, x * 0x1p54, x).v);
    return y - where(subnormal, Packet(54 * std::numbers::ln2), Packet(0));
  }
  friend Packet log1p(Packet x) { return where(x == 0, x, Packet(xsimd::log1p(x.v))); }
  friend Packet sqrt(Packet x) { return xsimd::sqrt(x.v); }
  friend Packet sin(Packet x) { return xsimd::sin(x.v); }
  friend Packet cos(Packet x) { return xsimd::cos(x.v); }
  friend Packet erf(Packet x) {
    // xsimd's double form is 70 ulp off and gives NaN for large arguments.
    if constexpr (sizeof(T) == 8) return each(x, x, [](T a, T) { return std::erf(a); });
    return xsimd::erf(x.v);
  }
  [[gnu::always_inline]] friend Packet tanh(Packet x) {
    // Through e^(-2 |x|) - 1, which neither overflows nor cancels.
    const Packet y = -2 * abs(x);
    Packet e;
    if constexpr (sizeof(T) == 4) {
      const auto [power, rest] = reduce(xsimd::max(Packet(-20).v, y.v));  // beyond it, 1
      const Packet scaled = scale(1, power);
      e = scaled * rest + (scaled - 1);
    } else {
      e = xsimd::expm1(y.v);
    }
    return xsimd::copysign((-e / (e + 2)).v, x.v);
  }
  [[gnu::always_inline]] friend Packet sigmoid(Packet x) {
    if constexpr (scales_in_one) return 1 / (1 + exp(-x));
    // Through exp of -|x|, which does not overflow.
    const Packet e = xsimd::exp((-abs(x)).v);
    return where(x < 0, e, Packet(1)) / (1 + e);
  }
  friend Packet relu(Packet x) { return xsimd::max(Packet(0).v, x.v); }  // NaN where x is
  friend Packet square(Packet x) { return x * x; }
  friend Packet reciprocal(Packet x) { return 1 / x; }
  friend Packet rsqrt(Packet x) { return 1 / sqrt(x); }
  friend Packet softplus(Packet x) { return where(x > 0, x, Packet(0)) + log1p(xsimd::exp((-abs(x)).v)); }
  friend Packet sign(Packet x) { return where(x > 0, Packet(1), where(x < 0, Packet(-1), x)); }
  friend Packet pow(Packet a, Packet b) {
    return each(a, b, [](T x, T y) { return std::pow(x, y); });
  }
  friend Packet maximum(Packet a, Packet b) { return where(a >= b || a != a, a, b); }
  friend Packet minimum(Packet a, Packet b) { return where(a <= b || a != a, a, b); }

 private:
  // AVX-512 multiplies by any power of 2 in one instruction, down to 0 and up to infinity.
  static constexpr bool scales_in_one = std::is_same_v<T, float> && is_avx512<A>;

  // e^x = 2^power (1 + rest), for float and moderate x. By a polynomial of the least relative error of `rest`
  // over -ln(2) / 2 to ln(2) / 2, where it is less than 2^-26.
  struct Reduced {
    Packet power, rest;
  };
  [[gnu::always_inline]] static Reduced reduce(Packet x) {
    const Packet power = xsimd::nearbyint((std::numbers::log2e * x).v);
    const Packet r = x - power * 0.693359375 - power * -2.12194440e-4;  // ln(2) in two parts
    const Packet p = (1.38825167e-3 * r + 8.36654752e-3) * r + 4.16672006e-2;
    return {power, ((p * r + 1.66665435e-1) * r + 0.5) * (r * r) + r};
  }
  // x 2^power. Where it takes more than one instruction, 2^power must be a normal number.
  [[gnu::always_inline]] static Packet scale(Packet x, Packet power) {
    if constexpr (scales_in_one) return Batch(_mm512_scalef_ps(x.v, power.v));
    return xsimd::ldexp(x.v, xsimd::to_int(power.v));
  }
  static Packet signless_expm1(Packet x) {
    return scale_large(x, [](Packet p) -> Packet { return xsimd::expm1(p.v); });
  }
  // xsimd gives infinity already for arguments half a unit below the last that has a finite exponential.
  template <class F>
  static Packet scale_large(Packet x, F exponential) {
    const Condition<T, A> large = x > (sizeof(T) == 4 ? 88 : 709);
    return exponential(where(large, x - 1, x)) * where(large, Packet(std::numbers::e), Packet(1));
  }
  template <class F>
  static Packet each(Packet a, Packet b, F f) {
    alignas(64) T x[width], y[width];
    a.store(x);
    b.store(y);
    for (int i = 0; i < width; ++i) x[i] = f(x[i], y[i]);
    return load(x);
  }
};

/// int64 has a packet of one element, which the compiler widens where it can.
template <>
struct Condition<std::int64_t> {
  bool bits;
};
template <>
struct Packet<std::int64_t> {
  static constexpr int width = 1;

  std::int64_t v;

  Packet() = default;
  template <Number N>
  Packet(N number) : v(static_cast<std::int64_t>(number)) {}

  static Packet load(const std::int64_t* p) { return *p; }
  void store(std::int64_t* p) const { *p = v; }

  // Overflow wraps, as in NumPy.
  friend Packet operator+(Packet a, Packet b) { return wrap(unsigned_of(a) + unsigned_of(b)); }
  friend Packet operator-(Packet a, Packet b) { return wrap(unsigned_of(a) - unsigned_of(b)); }
  friend Packet operator*(Packet a, Packet b) { return wrap(unsigned_of(a) * unsigned_of(b)); }
  friend Packet operator-(Packet a) { return wrap(0 - unsigned_of(a)); }
  friend Condition<std::int64_t> operator<(Packet a, Packet b) { return {a.v < b.v}; }
  friend Condition<std::int64_t> operator<=(Packet a, Packet b) { return {a.v <= b.v}; }
  friend Condition<std::int64_t> operator>(Packet a, Packet b) { return {a.v > b.v}; }
  friend Condition<std::int64_t> operator>=(Packet a, Packet b) { return {a.v >= b.v}; }
  friend Condition<std::int64_t> operator==(Packet a, Packet b) { return {a.v == b.v}; }
  friend Condition<std::int64_t> operator!=(Packet a, Packet b) { return {a.v != b.v}; }
  friend Packet where(Condition<std::int64_t> c, Packet a, Packet b) { return c.bits ? a : b; }
  friend Packet abs(Packet x) { return x.v < 0 ? -x : x; }
  friend Packet relu(Packet x) { return x.v > 0 ? x : Packet(0); }
  friend Packet square(Packet x) { return x * x; }
  friend Packet sign(Packet x) { return (x.v > 0) - (x.v < 0); }
  friend Packet maximum(Packet a, Packet b) { return a.v >= b.v ? a : b; }
  friend Packet minimum(Packet a, Packet b) { return a.v <= b.v ? a : b; }

 private:
  static std::uint64_t unsigned_of(Packet a) { return static_cast<std::uint64_t>(a.v); }
  static Packet wrap(std::uint64_t n) { return static_cast<std::int64_t>(n); }
};

}  // namespace rill::simd
