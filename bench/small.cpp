// What is not a training step of the reference: small operations, streaming, evaluation, the optimiser.

#include "measure.h"
#include "models.h"
#include "rill/tensor/threads.h"

namespace {

using namespace bench;
using State = benchmark::State;

// Forward and backward over a chain of operations of 16 elements; microseconds an operation.
void chain(State& state) {
  const std::int64_t length = state.range(0);
  const Tensor x = uniform({16}), scale = full({16}, 0.999), shift = full({16}, 1e-3);
  measure(
      state,
      [&] {
        Tape tape;
        const Tensor source = tape.watch(x);
        Tensor y = source;
        for (std::int64_t i = 0; i < length; ++i)
          y = i % 3 == 0 ? y * scale : i % 3 == 1 ? y + shift : tanh(y);
        benchmark::DoNotOptimize(tape.gradient(sum(y), source));
      },
      static_cast<double>(length));
}
BENCHMARK(chain)->Name("chain")->Arg(1000)->Arg(10000)->Arg(100000)->Unit(benchmark::kMillisecond);

// One time step of the recurrent layers with batch 1, state in and out.
void stream(State& state) {
  const nn::LSTM layer1(28, 256), layer2(256, 256);
  const nn::LSTMCell &cell1 = layer1.cells()[0], &cell2 = layer2.cells()[0];
  const Tensor row = uniform({1, 28});
  auto state1 = cell1.initial_state(1, DType::float32), state2 = cell2.initial_state(1, DType::float32);
  measure(
      state,
      [&] {
        for (int i = 0; i < 200; ++i) {
          state1 = cell1(cell1.input(row), state1);
          state2 = cell2(cell2.input(state1[0]), state2);
        }
      },
      200);
}
BENCHMARK(stream)->Name("stream")->Unit(benchmark::kMicrosecond);

// The forward pass of a batch without a tape; microseconds an image.
void infer(State& state) {
  const std::int64_t size = state.range(0);
  const Classifier<nn::LSTM> model(
      2, 28, 256, [](std::int64_t in) { return nn::LSTM(in, 256, {.activation = nn::Activation::relu}); });
  const Batch batch(size, 28, 28);
  measure(
      state, [&] { benchmark::DoNotOptimize(argmax(model(batch.images), 1)); }, static_cast<double>(size));
}
BENCHMARK(infer)->Name("infer")->Arg(32)->Arg(128)->Arg(500)->Unit(benchmark::kMillisecond);

constexpr std::int64_t parameters = 825000;

void adam(State& state) {
  struct Weights {
    Parameter weights{normal({parameters})};
    nn::Fields fields() { return {{"weights", weights}}; }
  } model;
  optim::Adam adam{{.learning_rate = 1e-4, .decay = 1e-6}};
  Gradients gradients;
  gradients.set(model.weights.id(), normal({parameters}));
  measure(state, [&] { adam.update(model, gradients); });
}
BENCHMARK(adam)->Name("adam")->Unit(benchmark::kMicrosecond);

// The reads and writes of an update with Adam, and next to no arithmetic. The arrays begin at other places of
// a page each: addresses that agree in their last 12 bits cost a processor up to three times the time.
void adam_traffic(State& state) {
  const std::int64_t apart = parameters + 8;  // whole lines of a cache
  const Tensor all = normal({4 * apart});
  measure(state, [&] {
    float* __restrict w = rill::detail::TensorAccess::raw<float>(all);
    float* __restrict m = w + apart, * __restrict v = m + apart;
    const float* __restrict g = v + apart;
    rill::detail::parallel_for(parameters, 16384, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        m[i] += g[i];
        v[i] += g[i];
        w[i] += m[i] + v[i];
      }
    });
    benchmark::ClobberMemory();
  });
}
BENCHMARK(adam_traffic)->Name("adam_traffic")->Unit(benchmark::kMicrosecond);

// Peak memory of training an LSTM(256) on sequences of batch 8: arguments time and, for recomputation,
// whether the sequence is cut into pieces of about the root of its length.
void sequence(State& state) {
  const std::int64_t time = state.range(0), batch = 8;
  const std::int64_t piece = state.range(1) ? std::int64_t(std::lround(std::sqrt(double(time)))) : time;
  nn::LSTM layer(1, 256);
  optim::Adam adam{{.learning_rate = 1e-4}};
  const Tensor x = uniform({batch, time, 1});
  measure(
      state,
      [&] {
        Tape tape;
        std::vector<Tensor> carried = {zeros({batch, 256}), zeros({batch, 256})};
        for (std::int64_t at = 0; at < time; at += piece) {
          const Tensor part = slice(x, 1, {at, std::min(at + piece, time)});
          const auto run = [&layer, part](const std::vector<Tensor>& before) {
            const auto result = layer(part, {.initial = {{before[0], before[1]}}});
            return std::vector<Tensor>{result.state[0][0], result.state[0][1]};
          };
          carried = piece == time ? run(carried) : checkpoint(run, carried);
        }
        adam.update(layer, std::move(tape).gradient(mean(square(carried[0]))));
      },
      1, 1);
  state.counters["peak_mb"] = static_cast<double>(memory_statistics().peak_in_use) / 1e6;
}
BENCHMARK(sequence)
    ->Name("sequence")
    ->ArgNames({"time", "recompute"})
    ->Args({28, 0})
    ->Args({784, 0})
    ->Args({784, 1})
    ->Args({10000, 0})
    ->Args({10000, 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace
