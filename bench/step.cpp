// Training steps of the tutorial's classifier (batch 32, 28 x 28, two layers of 256): the reference, its
// variants, and the same in other sizes.

#include "measure.h"
#include "models.h"

namespace {

using namespace bench;
using State = benchmark::State;

template <class Layer, class Make>
Classifier<Layer> reference_model(Make make) {
  return Classifier<Layer>(2, 28, 256, make);
}

template <class Model, class... Call>
void time_steps(State& state, Model model, const Call&... call) {
  optim::Adam adam{{.learning_rate = 1e-4, .decay = 1e-6}};
  const Batch batch(32, 28, 28);
  for (int i = 0; i < 3; ++i) train_step(model, adam, batch, call...);
  const auto requests = memory_statistics().system_requests;
  measure(
      state, [&] { train_step(model, adam, batch, call...); }, 1, 0);
  state.counters["system_requests"] = static_cast<double>(memory_statistics().system_requests - requests);
}

void lstm(State& state, const nn::LSTMOptions& options) {
  time_steps(state, reference_model<nn::LSTM>([&](std::int64_t in) { return nn::LSTM(in, 256, options); }));
}

void reference(State& state) { lstm(state, {.activation = nn::Activation::relu}); }
BENCHMARK(reference)->Name("step/reference")->Unit(benchmark::kMillisecond);

void bfloat16(State& state) {
  set_matmul_precision(Precision::bfloat16);
  reference(state);
  set_matmul_precision(Precision::float32);
}
BENCHMARK(bfloat16)->Name("step/bfloat16")->Unit(benchmark::kMillisecond);

template <class Cell>
void own(State& state) {
  using Layer = nn::Recurrent<Cell>;
  time_steps(state, reference_model<Layer>([](std::int64_t in) { return Layer(Cell(in, 256)); }));
}
BENCHMARK_TEMPLATE(own, FusedCell)->Name("step/own_fused")->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(own, ComposedCell)->Name("step/own_composed")->Unit(benchmark::kMillisecond);

void plain(State& state) { lstm(state, {}); }
BENCHMARK(plain)->Name("step/lstm")->Unit(benchmark::kMillisecond);

void recurrent_dropout(State& state) { lstm(state, {.recurrent_dropout = 0.2}); }
BENCHMARK(recurrent_dropout)->Name("step/lstm_recurrent_dropout")->Unit(benchmark::kMillisecond);

void peephole(State& state) { lstm(state, {.peephole = true}); }
BENCHMARK(peephole)->Name("step/lstm_peephole")->Unit(benchmark::kMillisecond);

void layer_norm(State& state) { lstm(state, {.layer_norm = true}); }
BENCHMARK(layer_norm)->Name("step/lstm_layer_norm")->Unit(benchmark::kMillisecond);

// With the norms of the gradients of all states taken in the same sweep.
void gradient_norms(State& state) {
  auto model = reference_model<nn::LSTM>([](std::int64_t in) { return nn::LSTM(in, 256); });
  optim::Adam adam{{.learning_rate = 1e-4, .decay = 1e-6}};
  const Batch batch(32, 28, 28);
  flow::GradientNorms norms;
  measure(state, [&] {
    norms.begin_again();
    train_step(model, adam, batch);
    benchmark::DoNotOptimize(norms.cells());
  });
}
BENCHMARK(gradient_norms)->Name("step/lstm_gradient_norms")->Unit(benchmark::kMillisecond);

void lengths(State& state) {
  std::vector<std::int64_t> lengths(32);
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = 28 - static_cast<std::int64_t>(i % 14);
  time_steps(state, reference_model<nn::LSTM>([&](std::int64_t in) { return nn::LSTM(in, 256); }),
             nn::RecurrentCall<nn::LSTM::State>{.lengths = Tensor::from(lengths)});
}
BENCHMARK(lengths)->Name("step/lstm_lengths")->Unit(benchmark::kMillisecond);

// Arguments: batch, hidden, time, layers.
template <class Layer>
void sized(State& state) {
  const std::int64_t hidden = state.range(1), time = state.range(2);
  Classifier<Layer> model(state.range(3), 28, hidden, [&](std::int64_t in) { return Layer(in, hidden); });
  optim::Adam adam{{.learning_rate = 1e-4}};
  const Batch batch(state.range(0), time, 28);
  measure(state, [&] { train_step(model, adam, batch); });
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"batch", "hidden", "time", "layers"})->Unit(benchmark::kMillisecond);
  for (int batch : {1, 8, 32, 128, 512}) benchmark->Args({batch, 256, 28, 2});
  for (int hidden : {32, 64, 128, 512, 1024}) benchmark->Args({32, hidden, 28, 2});
  for (int time : {128, 784, 4096}) benchmark->Args({32, 256, time, 2});
  for (int layers : {1, 3, 4}) benchmark->Args({32, 256, 28, layers});
}
BENCHMARK_TEMPLATE(sized, nn::LSTM)->Name("size/lstm")->Apply(sizes);
BENCHMARK_TEMPLATE(sized, nn::GRU)->Name("size/gru")->Apply(sizes);
BENCHMARK_TEMPLATE(sized, nn::RNN)->Name("size/rnn")->Apply(sizes);

}  // namespace
