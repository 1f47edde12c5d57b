// The reference model and the other measured tasks in libtorch, the peer that Rill is compared with.
// Prints one line of JSON: the settings, the median of means of three, the median and the least time.
// `--help` lists the flags.
//
// The composed cell is the fastest form of it found in libtorch: input projection hoisted over the sequence,
// one addmm a step, the three sigmoid gates side by side so that one call serves them.

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Options {
  std::map<std::string, std::string> words{{"task", "step"}, {"cell", "composed"}};
  std::map<std::string, std::int64_t> numbers{{"threads", 2}, {"steps", 40},    {"warm-up", 5},
                                              {"batch", 32},  {"time", 28},     {"hidden", 256},
                                              {"layers", 2},  {"features", 28}, {"length", 10000}};
  const std::string& word(const std::string& name) const { return words.at(name); }
  std::int64_t operator[](const std::string& name) const { return numbers.at(name); }
};

constexpr const char* kHelp =
    "libtorch_twin [--flag value ...]\n"
    "  --task   step   a training step: forward, loss, backward, dropout, Adam (default)\n"
    "           infer  the forward pass of a batch, no gradients\n"
    "           stream one time step of the recurrent layers, state in and out, no gradients\n"
    "           chain  forward and backward over a chain of --length operations of 16 elements\n"
    "  --cell   composed (LSTM with relu, default), lstm, gru, rnn (torch::nn's own, tanh)\n"
    "  --threads 2 --steps 40 --warm-up 5 --batch 32 --time 28 --features 28 --hidden 256 --layers 2\n";

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    std::string flag = argv[i];
    if (flag == "--help") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    }
    std::string name = flag.substr(0, 2) == "--" ? flag.substr(2) : "";
    if (i + 1 == argc) throw std::invalid_argument(flag + " needs a value");
    if (options.words.count(name)) {
      options.words[name] = argv[i + 1];
    } else if (options.numbers.count(name)) {
      options.numbers[name] = std::stoll(argv[i + 1]);
    } else {
      throw std::invalid_argument("unknown flag " + flag + "; --help lists all");
    }
  }
  return options;
}

using Tensors = std::vector<torch::Tensor>;

/// A recurrent layer of time-major rows.
struct Layer : torch::nn::Module {
  /// rows [time, batch, in]; state in and out (h, and c for an LSTM; empty: zeros); every h, [time, batch,
  /// hidden].
  virtual torch::Tensor run(const torch::Tensor& rows, Tensors& state) = 0;
};

/// LSTM with relu for candidate and output; gates: input, forget, output, candidate.
struct ComposedLstm final : Layer {
  ComposedLstm(std::int64_t in, std::int64_t hidden_size) : hidden(hidden_size) {
    kernel = register_parameter("kernel", torch::nn::init::xavier_uniform_(torch::empty({in, 4 * hidden})));
    recurrent =
        register_parameter("recurrent", torch::nn::init::orthogonal_(torch::empty({hidden, 4 * hidden})));
    auto start = torch::zeros({4 * hidden});
    start.slice(0, hidden, 2 * hidden).fill_(1);
    bias = register_parameter("bias", start);
  }
  torch::Tensor run(const torch::Tensor& rows, Tensors& state) override {
    auto time = rows.size(0), batch = rows.size(1);
    if (state.empty()) state = {torch::zeros({batch, hidden}), torch::zeros({batch, hidden})};
    auto h = state[0], c = state[1];
    auto projected = torch::addmm(bias, rows.reshape({time * batch, rows.size(2)}), kernel)
                         .view({time, batch, 4 * hidden})
                         .unbind(0);
    Tensors outputs;
    for (const auto& input : projected) {
      auto gates = torch::addmm(input, h, recurrent);
      auto open = torch::sigmoid(gates.slice(1, 0, 3 * hidden)).chunk(3, 1);
      c = open[1] * c + open[0] * torch::relu(gates.slice(1, 3 * hidden));
      h = open[2] * torch::relu(c);
      outputs.push_back(h);
    }
    state = {h, c};
    return torch::stack(outputs);
  }
  std::int64_t hidden;
  torch::Tensor kernel, recurrent, bias;
};

struct BuiltInLstm final : Layer {
  BuiltInLstm(std::int64_t in, std::int64_t hidden) {
    lstm = register_module("lstm", torch::nn::LSTM(in, hidden));
  }
  torch::Tensor run(const torch::Tensor& rows, Tensors& state) override {
    if (state.empty()) {
      auto zero = torch::zeros({1, rows.size(1), lstm->options.hidden_size()});
      state = {zero, zero};
    }
    auto [outputs, last] = lstm->forward(rows, std::make_tuple(state[0], state[1]));
    state = {std::get<0>(last), std::get<1>(last)};
    return outputs;
  }
  torch::nn::LSTM lstm{nullptr};
};

template <class Holder>
struct BuiltIn final : Layer {
  BuiltIn(std::int64_t in, std::int64_t hidden) { cell = register_module("cell", Holder(in, hidden)); }
  torch::Tensor run(const torch::Tensor& rows, Tensors& state) override {
    auto [outputs, last] = cell->forward(rows, state.empty() ? torch::Tensor() : state[0]);
    state = {last};
    return outputs;
  }
  Holder cell{nullptr};
};

std::shared_ptr<Layer> make_layer(const std::string& cell, std::int64_t in, std::int64_t hidden) {
  if (cell == "composed") return std::make_shared<ComposedLstm>(in, hidden);
  if (cell == "lstm") return std::make_shared<BuiltInLstm>(in, hidden);
  if (cell == "gru") return std::make_shared<BuiltIn<torch::nn::GRU>>(in, hidden);
  if (cell == "rnn") return std::make_shared<BuiltIn<torch::nn::RNN>>(in, hidden);
  throw std::invalid_argument("--cell " + cell + ": expected composed, lstm, gru or rnn");
}

/// The recurrent layers, dropout after each, the last step into Dense 32 relu, dropout, Dense 10.
struct Classifier : torch::nn::Module {
  explicit Classifier(const Options& o)
      : hidden(register_module("hidden", torch::nn::Linear(o["hidden"], 32))),
        output(register_module("output", torch::nn::Linear(32, 10))) {
    for (std::int64_t i = 0; i < o["layers"]; ++i)
      layers.push_back(
          register_module("layer" + std::to_string(i),
                          make_layer(o.word("cell"), i ? o["hidden"] : o["features"], o["hidden"])));
  }
  torch::Tensor forward(const torch::Tensor& images) {
    auto h = images.transpose(0, 1).contiguous();
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Tensors state;
      h = layers[i]->run(h, state);
      h = i + 1 < layers.size() ? torch::dropout(h, 0.2, is_training())
                                : torch::dropout(h[-1], 0.1, is_training());
    }
    return output(torch::dropout(torch::relu(hidden(h)), 0.2, is_training()));
  }
  std::vector<std::shared_ptr<Layer>> layers;
  torch::nn::Linear hidden, output;
};

struct Task {
  std::function<void()> once;
  double scale = 1e3;  // seconds to the unit
  std::string unit = "ms a step";
};

Task training_step(const Options& o) {
  auto model = std::make_shared<Classifier>(o);
  auto adam = std::make_shared<torch::optim::Adam>(model->parameters(), torch::optim::AdamOptions(1e-4));
  auto images = torch::rand({o["batch"], o["time"], o["features"]});
  auto labels = torch::randint(10, {o["batch"]}, torch::kLong);
  return {[=] {
    auto loss = torch::cross_entropy_loss(model->forward(images), labels);
    adam->zero_grad();
    loss.backward();
    adam->step();
    if (!std::isfinite(loss.item<float>())) throw std::runtime_error("the loss is not finite");
  }};
}

Task inference(const Options& o) {
  auto model = std::make_shared<Classifier>(o);
  model->eval();
  auto images = torch::rand({o["batch"], o["time"], o["features"]});
  return {[=] {
            torch::InferenceMode guard;
            model->forward(images).argmax(1);
          },
          1e3, "ms a batch"};
}

Task stream(const Options& o) {
  auto model = std::make_shared<Classifier>(o);
  model->eval();
  auto rows = torch::rand({1, o["batch"], o["features"]});
  auto states = std::make_shared<std::vector<Tensors>>(model->layers.size());
  constexpr int kInner = 200;
  return {[=] {
            torch::InferenceMode guard;
            for (int n = 0; n < kInner; ++n) {
              auto h = rows;
              for (std::size_t i = 0; i < model->layers.size(); ++i)
                h = model->layers[i]->run(h, (*states)[i]);
            }
          },
          1e6 / kInner, "us a time step"};
}

Task chain(const Options& o) {
  auto length = o["length"];
  auto x = torch::rand({16}).requires_grad_(), scale = torch::full({16}, 0.999f),
       shift = torch::full({16}, 1e-3f);
  return {[=]() mutable {
            auto y = x;
            for (std::int64_t i = 0; i < length; ++i)
              y = i % 3 == 0 ? y * scale : i % 3 == 1 ? y + shift : torch::tanh(y);
            y.sum().backward();
            x.mutable_grad() = torch::Tensor();
          },
          1e6 / double(length), "us an operation"};
}

Task make_task(const Options& o) {
  const auto& name = o.word("task");
  if (name == "step") return training_step(o);
  if (name == "infer") return inference(o);
  if (name == "stream") return stream(o);
  if (name == "chain") return chain(o);
  throw std::invalid_argument("--task " + name + ": expected step, infer, stream or chain");
}

void measure(const Options& o, const Task& task) {
  for (std::int64_t i = 0; i < o["warm-up"]; ++i) task.once();
  std::vector<double> times;
  for (std::int64_t i = 0; i < std::max<std::int64_t>(1, o["steps"]); ++i) {
    auto start = std::chrono::steady_clock::now();
    task.once();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() *
                    task.scale);
  }
  // The median of the means of three calls each: what a burst of some milliseconds disturbs is part of it.
  std::vector<double> means;
  for (std::size_t i = 0; i + 3 <= times.size(); i += 3)
    means.push_back((times[i] + times[i + 1] + times[i + 2]) / 3);
  if (means.empty()) means = times;
  std::sort(means.begin(), means.end());
  std::sort(times.begin(), times.end());
  std::printf("{\"library\": \"libtorch %s\", ", TORCH_VERSION);
  for (const auto& [name, value] : o.words) std::printf("\"%s\": \"%s\", ", name.c_str(), value.c_str());
  for (const auto& [name, value] : o.numbers)
    std::printf("\"%s\": %lld, ", name.c_str(), static_cast<long long>(value));
  std::printf("\"unit\": \"%s\", \"median_of_means\": %.4g, \"median\": %.4g, \"minimum\": %.4g}\n",
              task.unit.c_str(), means[means.size() / 2], times[times.size() / 2], times.front());
}

}  // namespace

int main(int argc, char** argv) try {
  auto options = parse(argc, argv);
  // Before there are other threads, which then do so too: long sequences, whose gradients vanish, took five
  // times as long without.
  at::globalContext().setFlushDenormal(true);
  at::set_num_threads(static_cast<int>(options["threads"]));
  torch::manual_seed(1);
  measure(options, make_task(options));
} catch (const std::exception& error) {
  std::fprintf(stderr, "libtorch_twin: %s\n", error.what());
  return 1;
}
