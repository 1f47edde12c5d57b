#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <numbers>

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

/// Whether each element of a packet meets a condition.
template <class T, class A = Architecture>
struct Condition {
  xsimd::batch_bool<T, A> bits;
  friend Condition operator!(Condition a) { return {!a.bits}; }
  friend Condition operator&&(Condition a, Condition b) { return {a.bits && b.bits}; }
  friend Condition operator||(Condition a, Condition b) { return {a.bits || b.bits}; }
};

/// As many elements as one instruction works on. Elementwise kernels are written on packets, and a lambda
/// given to `fused` is called with them in its first reading, so that both use the same functions.
template <class T, class A = Architecture>
struct Packet {
  using Batch = xsimd::batch<T, A>;
  static constexpr int width = static_cast<int>(Batch::size);

  Batch v;

  Packet() = default;
  Packet(Batch batch) : v(batch) {}
  template <class N>
  requires std::integral<N> || std::floating_point<N> Packet(N number) : v(static_cast<T>(number)) {}

  static Packet load(const T* p) { return Batch::load_unaligned(p); }
  void store(T* p) const { v.store_unaligned(p); }

  friend Packet operator+(Packet a, Packet b) { return a.v + b.v; }
  friend Packet operator-(Packet a, Packet b) { return a.v - b.v; }
  friend Packet operator*(Packet a, Packet b) { return a.v * b.v; }
  friend Packet operator/(Packet a, Packet b) { return a.v / b.v; }
  friend Packet operator-(Packet a) { return -a.v; }
  friend Packet operator+(Packet a) { return a; }
  friend Condition<T, A> operator<(Packet a, Packet b) { return {a.v < b.v}; }
  friend Condition<T, A> operator<=(Packet a, Packet b) { return {a.v <= b.v}; }
  friend Condition<T, A> operator>(Packet a, Packet b) { return {a.v > b.v}; }
  friend Condition<T, A> operator>=(Packet a, Packet b) { return {a.v >= b.v}; }
  friend Condition<T, A> operator==(Packet a, Packet b) { return {a.v == b.v}; }
  // xsimd's own form is false for NaN with AVX-512.
  friend Condition<T, A> operator!=(Packet a, Packet b) { return !(a == b); }

  friend Packet where(Condition<T, A> c, Packet a, Packet b) { return xsimd::select(c.bits, a.v, b.v); }
  friend Packet abs(Packet x) { return xsimd::abs(x.v); }
  friend Packet exp(Packet x) {
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
    const Packet a = abs(x);
    if constexpr (sizeof(T) == 4) {
      const Packet e = xsimd::exp((-2 * a).v);
      // 1 - e cancels where x is small; there Moshier's polynomial (Cephes, tanhf).
      const Packet s = a * a;
      const Packet p3 = (-5.70498872745e-3 * s + 2.06390887954e-2) * s - 5.37397155531e-2;
      const Packet p = (p3 * s + 1.33314422036e-1) * s - 3.33332819422e-1;
      return xsimd::copysign(where(a < 0.625, p * s * a + a, (1 - e) / (1 + e)).v, x.v);
    } else {
      const Packet e = xsimd::expm1((-2 * a).v);
      return xsimd::copysign((-e / (e + 2)).v, x.v);
    }
  }
  [[gnu::always_inline]] friend Packet sigmoid(Packet x) {
    // Through exp of -|x|, which does not overflow.
    const Packet e = xsimd::exp((-abs(x)).v);
    return where(x < 0, e, Packet(1)) / (1 + e);
  }
  friend Packet relu(Packet x) { return where(x > 0, x, where(x == x, Packet(0), x)); }
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
  template <class N>
  requires std::integral<N> || std::floating_point<N> Packet(N number)
      : v(static_cast<std::int64_t>(number)) {}

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
