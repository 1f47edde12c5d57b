#pragma once

// How an elementwise kernel is made of a function of packets.

#include <array>
#include <utility>

#include "rill/tensor/rows.h"

namespace rill::kernels {

/// What `map` hands to its loop.
struct Mapping {
  const char* operation;
  /// By dtype; null where the operation does not take it.
  std::array<simd::RowKernel, 3> kernels;
  const void* function;
  std::int64_t part_size;
};

/// The results of a mapping over inputs of any layout, in a new tensor.
Tensor run_mapping(const Mapping& mapping, std::span<const Tensor* const> inputs);

/// Applies a function of N packets along a row. All elements go through one and the same instructions, the
/// last ones too, so that a result does not depend on its place.
template <class T, class F, std::size_t... I>
void map_row(const void* context, const simd::Row& row) {
  using Packet = simd::Packet<T>;
  constexpr std::size_t n = sizeof...(I);
  constexpr std::int64_t width = Packet::width;
  const F& f = *static_cast<const F*>(context);
  alignas(64) T padded[n + 1][width] = {};
  std::array<const T*, n> from = {static_cast<const T*>(row.data[I])...};
  T* to = static_cast<T*>(row.data[n]);
  std::array<std::int64_t, n> advance = {row.step[I] * width...};
  const auto repeat = [&](std::size_t k) {
    if (advance[k] != 0) return;
    Packet(*from[k]).store(padded[k]);
    from[k] = padded[k];
  };
  (repeat(I), ...);
  std::int64_t left = row.count;
  for (; left > 0; left -= width) {
    T* const target = to;
    if (left < width) [[unlikely]] {
      const auto pad = [&](std::size_t k) {
        if (advance[k] == 0) return;
        for (std::int64_t i = 0; i < left; ++i) padded[k][i] = from[k][i];
        from[k] = padded[k];
      };
      (pad(I), ...);
      to = padded[n];
    }
    f(Packet::load(from[I])...).store(to);
    if (left < width) [[unlikely]] {
      for (std::int64_t i = 0; i < left; ++i) target[i] = padded[n][i];
      return;
    }
    ((from[I] += advance[I]), ...);
    to += width;
  }
}

enum class Accepts { all, floating };

template <Accepts accepts, class F, std::size_t... I>
Tensor map(const char* operation, const F& f, std::array<const Tensor*, sizeof...(I)> inputs,
           std::index_sequence<I...>) {
  // Functions of floating numbers alone are mostly those that take several times as long.
  Mapping mapping{operation, {&map_row<float, F, I...>, &map_row<double, F, I...>, nullptr}, &f, 4096};
  if constexpr (accepts == Accepts::all) {
    mapping.kernels[2] = &map_row<std::int64_t, F, I...>;
    mapping.part_size = 16384;
  }
  return run_mapping(mapping, inputs);
}

template <Accepts accepts = Accepts::all, class F, class... X>
Tensor map(const char* operation, const F& f, const X&... inputs) {
  return map<accepts>(operation, f, std::array<const Tensor*, sizeof...(X)>{&inputs...},
                      std::index_sequence_for<X...>{});
}

}  // namespace rill::kernels
