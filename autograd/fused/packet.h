#pragma once

#include <concepts>

// GCC 12 takes the undefined lanes of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <xsimd/xsimd.hpp>
#pragma GCC diagnostic pop

namespace rill::fuse {

/// Whether each element of a packet meets a condition.
template <class T>
struct Condition {
  xsimd::batch_bool<T> bits;
  friend Condition operator!(Condition a) { return {!a.bits}; }
  friend Condition operator&&(Condition a, Condition b) { return {a.bits && b.bits}; }
  friend Condition operator||(Condition a, Condition b) { return {a.bits || b.bits}; }
};

/// As many elements as one instruction works on. What a lambda given to `fused` is called with in its first reading.
template <class T>
struct Packet {
  using Batch = xsimd::batch<T>;
  static constexpr int width = static_cast<int>(Batch::size);

  Batch v;

  Packet() = default;
  Packet(Batch batch) : v(batch) {}
  template <class N>
    requires std::integral<N> || std::floating_point<N>
  Packet(N number) : v(static_cast<T>(number)) {}

  static Packet load(const T* p) { return Batch::load_unaligned(p); }
  void store(T* p) const { v.store_unaligned(p); }

  friend Packet operator+(Packet a, Packet b) { return a.v + b.v; }
  friend Packet operator-(Packet a, Packet b) { return a.v - b.v; }
  friend Packet operator*(Packet a, Packet b) { return a.v * b.v; }
  friend Packet operator/(Packet a, Packet b) { return a.v / b.v; }
  friend Packet operator-(Packet a) { return -a.v; }
  friend Packet operator+(Packet a) { return a; }
  friend Condition<T> operator<(Packet a, Packet b) { return {a.v < b.v}; }
  friend Condition<T> operator<=(Packet a, Packet b) { return {a.v <= b.v}; }
  friend Condition<T> operator>(Packet a, Packet b) { return {a.v > b.v}; }
  friend Condition<T> operator>=(Packet a, Packet b) { return {a.v >= b.v}; }
  friend Condition<T> operator==(Packet a, Packet b) { return {a.v == b.v}; }
  friend Condition<T> operator!=(Packet a, Packet b) { return {a.v != b.v}; }

  friend Packet where(Condition<T> c, Packet a, Packet b) { return xsimd::select(c.bits, a.v, b.v); }
  friend Packet abs(Packet x) { return xsimd::abs(x.v); }
  friend Packet exp(Packet x) { return xsimd::exp(x.v); }
  friend Packet expm1(Packet x) { return xsimd::expm1(x.v); }
  friend Packet log(Packet x) { return xsimd::log(x.v); }
  friend Packet log1p(Packet x) { return xsimd::log1p(x.v); }
  friend Packet sqrt(Packet x) { return xsimd::sqrt(x.v); }
  friend Packet sin(Packet x) { return xsimd::sin(x.v); }
  friend Packet cos(Packet x) { return xsimd::cos(x.v); }
  friend Packet erf(Packet x) { return xsimd::erf(x.v); }
  friend Packet tanh(Packet x) {
    // Through expm1 of -2|x|, which neither overflows nor cancels.
    const Packet e = expm1(-2 * abs(x));
    return xsimd::copysign((-e / (e + 2)).v, x.v);
  }
  friend Packet sigmoid(Packet x) { return 1 / (1 + exp(-x)); }
  friend Packet relu(Packet x) { return where(x > 0, x, where(x == x, Packet(0), x)); }
  friend Packet square(Packet x) { return x * x; }
  friend Packet reciprocal(Packet x) { return 1 / x; }
  friend Packet rsqrt(Packet x) { return 1 / sqrt(x); }
  friend Packet softplus(Packet x) { return where(x > 0, x, Packet(0)) + log1p(exp(-abs(x))); }
  friend Packet maximum(Packet a, Packet b) { return where(a >= b || a != a, a, b); }
  friend Packet minimum(Packet a, Packet b) { return where(a <= b || a != a, a, b); }
};

}  // namespace rill::fuse
