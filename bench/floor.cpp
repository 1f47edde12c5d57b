// What the machine allows: its rate of fused multiply-adds, how far apart two of its processors are, and the
// matrix products of the reference step, each at the best rate measured here, by Rill's kernels or by oneDNN
// with both operands in its own layouts.

#include <atomic>
#include <oneapi/dnnl/dnnl.hpp>
#include <thread>
#include <unordered_map>

#include "measure.h"
#include "models.h"
#include "rill/tensor/kernels/matmul.h"
#include "rill/tensor/packet.h"
#include "rill/tensor/threads.h"

namespace {

using namespace bench;
using State = benchmark::State;

void fma(State& state) {
  using Packet = xsimd::batch<float>;
  constexpr int chains = 16, rounds = 100000;
  measure(state, [] {
    rill::detail::parallel_parts(threads(), [](std::int64_t) {
      std::array<Packet, chains> sums;
      sums.fill(Packet(1.0F));
      Packet a(0.999F), b(0.001F);
      benchmark::DoNotOptimize(a);
      benchmark::DoNotOptimize(b);
      for (int i = 0; i < rounds; ++i)
        for (auto& sum : sums) sum = xsimd::fma(sum, a, b);
      for (auto& sum : sums) benchmark::DoNotOptimize(sum);
    });
  });
  state.counters["gflops"] =
      2e-3 * chains * rounds * Packet::size * threads() / state.counters["least"].value;
}
BENCHMARK(fma)->Name("floor/fma")->Unit(benchmark::kMillisecond);

// A line of the cache that goes from one processor to another and back, which takes several times as long
// where they share no cache.
void round_trip(State& state) {
  constexpr int trips = 1000, end = -1;
  struct alignas(64) Line {
    std::atomic<int> value{0};
  };
  Line there, back;
  std::thread partner([&] {
    for (int seen = 0; seen != end;) {
      const int now = there.value.load(std::memory_order_acquire);
      if (now != seen) back.value.store(seen = now, std::memory_order_release);
    }
  });
  int sent = 0;
  const auto trip = [&](int value) {
    there.value.store(value, std::memory_order_release);
    while (back.value.load(std::memory_order_acquire) != value) {
    }
  };
  measure(
      state,
      [&] {
        for (int i = 0; i < trips; ++i) trip(++sent);
      },
      trips);
  trip(end);
  partner.join();
}

// [m, k] x [k, n]
void rill_product(State& state) {
  const std::int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  const Tensor a = normal({m, k});
  const Parameter b(normal({k, n}));
  measure(state, [&] { benchmark::DoNotOptimize(matmul(a, b)); });
}

// The transpose of [k, m] times [k, n].
void rill_weight_gradient(State& state) {
  const std::int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  const Tensor a = normal({k, m}), b = normal({k, n});
  measure(state, [&] { benchmark::DoNotOptimize(kernels::sum_of_products({{a, b}})); });
}

void onednn_product(State& state) {
  using dnnl::memory;
  using Tag = memory::format_tag;
  const auto f32 = memory::data_type::f32;
  const std::int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::matmul::primitive_desc descriptor(
      dnnl::matmul::desc({{m, k}, f32, Tag::any}, {{k, n}, f32, Tag::any}, {{m, n}, f32, Tag::any}), engine);
  const dnnl::matmul product(descriptor);
  memory a(descriptor.src_desc(), engine), b(descriptor.weights_desc(), engine),
      c(descriptor.dst_desc(), engine);
  for (auto* operand : {&a, &b})
    std::fill_n(static_cast<float*>(operand->get_data_handle()), operand->get_desc().get_size() / 4, 0.5F);
  const std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}};
  measure(state, [&] {
    product.execute(stream, arguments);
    stream.wait();
  });
}

// The products of the reference step. The first step's recurrent product is one with zeros.
struct Shape {
  const char* name;
  int count;
  std::int64_t m, k, n;
  bool weight_gradient;
};
constexpr Shape shapes[] = {
    {"recurrent_forward", 2 * 27, 32, 256, 1024, false}, {"recurrent_backward", 2 * 27, 32, 1024, 256, false},
    {"recurrent_gradient", 2, 256, 27 * 32, 1024, true}, {"input_forward", 1, 896, 256, 1024, false},
    {"input_backward", 1, 896, 1024, 256, false},        {"input_gradient", 1, 256, 896, 1024, true},
    {"first_forward", 1, 896, 28, 1024, false},          {"first_gradient", 1, 28, 896, 1024, true},
};

[[maybe_unused]] const bool registered = [] {
  if (std::thread::hardware_concurrency() > 1) benchmark::RegisterBenchmark("floor/round_trip", round_trip);
  for (const Shape& shape : shapes) {
    const std::string name = fmt::format("floor/{}x{}/", shape.count, shape.name);
    const auto add = [&](const char* by, void (*run)(State&)) {
      benchmark::RegisterBenchmark((name + by).c_str(), run)
          ->Args({shape.m, shape.k, shape.n})
          ->Unit(benchmark::kMicrosecond);
    };
    add("rill", shape.weight_gradient ? rill_weight_gradient : rill_product);
    add("onednn", onednn_product);
  }
  return true;
}();

}  // namespace
