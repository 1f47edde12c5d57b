#include "rill/tensor/random.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>
#include <numeric>
#include <thread>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/philox.h"
#include "rill/tensor/threads.h"

namespace rill {
namespace {

// Numbers are made in groups of 16 blocks, 64 numbers of 32 bits; the last group may be used in part.
constexpr std::int64_t blocks_in_group = philox_group;
constexpr std::int64_t words_in_group = 4 * blocks_in_group;
using Words = std::array<std::array<std::uint32_t, blocks_in_group>, 4>;

double unit53(std::uint32_t high, std::uint32_t low) {
  return static_cast<double>((std::uint64_t{high} << 32 | low) >> 11) * 0x1p-53;
}

// The elements of one group: 64 float32, or 32 float64 from two words each.
template <class T>
constexpr std::int64_t elements_in_group = std::same_as<T, float> ? words_in_group : words_in_group / 2;

template <class T, class F>
void for_each_pair_of_units(const Words& words, F f) {
  for (std::size_t i = 0; i < blocks_in_group; ++i) {
    if constexpr (std::same_as<T, float>) {
      f(i, static_cast<float>(words[0][i] >> 8) * 0x1p-24F, static_cast<float>(words[1][i] >> 8) * 0x1p-24F);
      f(i + 2 * blocks_in_group, static_cast<float>(words[2][i] >> 8) * 0x1p-24F,
        static_cast<float>(words[3][i] >> 8) * 0x1p-24F);
    } else {
      f(i, unit53(words[0][i], words[1][i]), unit53(words[2][i], words[3][i]));
    }
  }
}

template <class T>
struct Uniform {
  T low, width, below;
  void operator()(const Words& words, T* out) const {
    for_each_pair_of_units<T>(words, [&](std::size_t i, T a, T b) {
      // Rounding may not carry a number to the upper end.
      out[i] = std::min(low + width * a, below);
      out[i + blocks_in_group] = std::min(low + width * b, below);
    });
  }
};

template <class T>
struct Normal {
  T mean, deviation;
  // Box and Muller 1958.
  void operator()(const Words& words, T* out) const {
    for_each_pair_of_units<T>(words, [&](std::size_t i, T a, T b) {
      const T radius = deviation * std::sqrt(-2 * std::log(1 - a));
      const T angle = 2 * std::numbers::pi_v<T> * b;
      out[i] = mean + radius * std::cos(angle);
      out[i + blocks_in_group] = mean + radius * std::sin(angle);
    });
  }
};

template <class T>
struct Bernoulli {
  std::uint32_t most;  // of 2^32 - 1
  T success;
  void operator()(const Words& words, T* out) const {
    constexpr std::size_t used = elements_in_group<T> / blocks_in_group;
    const auto [last, value] = *this;  // which nothing that is written can change
    for (std::size_t j = 0; j < used; ++j)
      for (std::size_t i = 0; i < blocks_in_group; ++i)
        out[j * blocks_in_group + i] = words[j][i] <= last ? value : T(0);
  }
};

template <class T, class F>
Tensor draw(Generator::State& state, const Shape& shape, F fill_group) {
  Tensor out = Tensor::empty(shape, dtype_of<T>());
  T* data = detail::TensorAccess::raw<T>(out);
  constexpr std::int64_t size = elements_in_group<T>;
  const std::int64_t n = out.count();
  const std::int64_t groups = (n + size - 1) / size;
  const Generator::State from = state;
  detail::parallel_for(groups, 128, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g) {
      const Words words =
          philox_blocks(from.block + static_cast<std::uint64_t>(g * blocks_in_group), from.seed);
      if ((g + 1) * size <= n) {
        fill_group(words, data + g * size);
      } else {
        std::array<T, size> last;
        fill_group(words, last.data());
        std::copy_n(last.begin(), n - g * size, data + g * size);
      }
    }
  });
  state.block += static_cast<std::uint64_t>(groups * blocks_in_group);
  return out;
}

// Calls f with float{} or double{}.
template <class F>
Tensor by_dtype(DType dtype, const char* operation, F f) {
  if (dtype == DType::float32) return f(float{});
  if (dtype == DType::float64) return f(double{});
  throw DTypeError(fmt::format("{}: {} is no floating dtype", operation, name(dtype)));
}

}  // namespace

Tensor Generator::uniform(const Shape& shape, double low, double high, DType dtype) {
  if (!(low <= high) || !std::isfinite(high - low))
    throw ValueError(fmt::format("uniform: [{}, {}) is no range", low, high));
  return by_dtype(dtype, "uniform", [&](auto type) {
    using T = decltype(type);
    const T a = static_cast<T>(low), b = static_cast<T>(high);
    return draw<T>(state_, shape, Uniform<T>{a, b - a, a < b ? std::nextafter(b, a) : a});
  });
}

Tensor Generator::normal(const Shape& shape, double mean, double deviation, DType dtype) {
  if (!(deviation >= 0))
    throw ValueError(fmt::format("normal: a deviation of {}; expected 0 or more", deviation));
  return by_dtype(dtype, "normal", [&](auto type) {
    using T = decltype(type);
    return draw<T>(state_, shape, Normal<T>{static_cast<T>(mean), static_cast<T>(deviation)});
  });
}

Tensor Generator::bernoulli(const Shape& shape, double probability, DType dtype, double success) {
  if (!(probability >= 0 && probability <= 1))
    throw ValueError(fmt::format("bernoulli: a probability of {}; expected one in [0, 1]", probability));
  return by_dtype(dtype, "bernoulli", [&](auto type) {
    using T = decltype(type);
    const auto numbers = static_cast<std::uint64_t>(std::llround(probability * 0x1p32));
    return draw<T>(state_, shape,
                   numbers == 0
                       ? Bernoulli<T>{0, T(0)}
                       : Bernoulli<T>{static_cast<std::uint32_t>(numbers - 1), static_cast<T>(success)});
  });
}

std::int64_t Generator::integer(std::int64_t n) {
  if (n < 1) throw ValueError(fmt::format("integer: there is no whole number in [0, {})", n));
  const auto range = static_cast<std::uint64_t>(n);
  // The largest multiple of n that 64 bits hold; what lies beyond would favour small numbers.
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % range;
  for (;;) {
    const auto words = philox(state_.block++, state_.seed);
    const std::uint64_t value = std::uint64_t{words[0]} << 32 | words[1];
    if (value < limit) return static_cast<std::int64_t>(value % range);
  }
}

Tensor Generator::permutation(std::int64_t n) {
  if (n < 0) throw ValueError(fmt::format("permutation: of {} numbers", n));
  Tensor out = Tensor::empty({n}, DType::int64);
  auto* const order = detail::TensorAccess::raw<std::int64_t>(out);
  std::iota(order, order + n, std::int64_t{0});
  for (std::int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[integer(i + 1)]);
  return out;
}

namespace {

const std::thread::id main_thread = std::this_thread::get_id();

// What the streams of threads that have not drawn yet follow from.
struct Streams {
  std::mutex mutex;
  std::uint64_t seed = 0, begun = 0;
};
Streams& streams() {
  static auto* s = new Streams;  // threads may draw while static objects end
  return *s;
}

std::uint64_t scrambled(std::uint64_t x) {  // the finaliser of SplitMix64 (Steele et al. 2014)
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

Generator first_of_this_thread() {
  // Before `main` there is but one thread, which may come here before main_thread is set.
  if (main_thread == std::thread::id() || main_thread == std::this_thread::get_id()) return Generator(0);
  const std::lock_guard lock(streams().mutex);
  return Generator(scrambled(streams().seed + ++streams().begun * 0x9E3779B97F4A7C15));
}

}  // namespace

Generator& default_generator() {
  static thread_local Generator generator = first_of_this_thread();
  return generator;
}

void seed(std::uint64_t seed) {
  default_generator() = Generator(seed);
  const std::lock_guard lock(streams().mutex);
  streams().seed = seed;
  streams().begun = 0;
}

Tensor uniform(const Shape& shape, double low, double high, DType dtype) {
  return default_generator().uniform(shape, low, high, dtype);
}
Tensor normal(const Shape& shape, double mean, double deviation, DType dtype) {
  return default_generator().normal(shape, mean, deviation, dtype);
}
Tensor bernoulli(const Shape& shape, double probability, DType dtype, double success) {
  return default_generator().bernoulli(shape, probability, dtype, success);
}

}  // namespace rill
