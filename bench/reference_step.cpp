// The reference step: the tutorial's classifier, batch 32, forward, loss, backward, dropout and Adam, on
// random images. Prints one line of JSON with the least and the median milliseconds of a step.

#include <fmt/format.h>
#include <rill/rill.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

using namespace rill;

struct Classifier {
  nn::LSTM lstm1{28, 256, {.activation = nn::Activation::relu}};
  nn::Dropout drop1{0.2};
  nn::LSTM lstm2{256, 256, {.activation = nn::Activation::relu}};
  nn::Dropout drop2{0.1};
  nn::Linear hidden{256, 32};
  nn::Dropout drop3{0.2};
  nn::Linear output{32, 10};

  Tensor operator()(const Tensor& rows) const {
    const Tensor h = drop2(lstm2(drop1(lstm1(rows).outputs)).last);
    return output(drop3(relu(hidden(h))));
  }
  nn::Fields fields() { return {{"lstm1", lstm1}, {"lstm2", lstm2}, {"hidden", hidden}, {"output", output}}; }
};

int main(int argc, char** argv) {
  int steps = 60, thread_count = threads();
  CLI::App app("Times a training step of the tutorial's classifier.");
  app.add_option("--steps", steps, "Steps that are timed, after 5 that are not")->check(CLI::PositiveNumber);
  app.add_option("--threads", thread_count, "Threads to use")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  set_threads(thread_count);

  Classifier model;
  optim::Adam adam{{.learning_rate = 1e-4, .decay = 1e-6}};
  const Tensor images = uniform({32, 28, 28});
  const Tensor labels = Tensor::from([] {
    std::vector<std::int64_t> digits(32);
    for (std::size_t i = 0; i < digits.size(); ++i) digits[i] = static_cast<std::int64_t>(i % 10);
    return digits;
  }());
  std::vector<double> milliseconds;
  std::int64_t requests = 0;
  for (int i = -5; i < steps; ++i) {
    if (i == 0) requests = memory_statistics().system_requests;
    const auto begin = std::chrono::steady_clock::now();
    {
      Tape tape;
      const Tensor loss = nn::cross_entropy(model(images), labels);
      adam.update(model, tape.gradient(loss));
    }
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
    if (i >= 0) milliseconds.push_back(time.count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto memory = memory_statistics();
  fmt::print(
      "{{\"library\": \"rill\", \"threads\": {}, \"steps\": {}, \"least_ms\": {:.2f}, \"median_ms\": {:.2f}, "
      "\"peak_tensor_mb\": {:.1f}, \"system_requests_while_timed\": {}}}\n",
      thread_count, steps, milliseconds.front(), milliseconds[milliseconds.size() / 2],
      static_cast<double>(memory.peak_in_use) / 1e6, memory.system_requests - requests);
}
