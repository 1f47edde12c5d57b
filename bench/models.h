#pragma once

#include <rill/rill.h>

#include <vector>

namespace bench {

using namespace rill;

/// The tutorial's classifier over any kind of recurrent layers: dropout after each, the last step into Dense
/// 32 relu, dropout, Dense 10.
template <class Layer>
struct Classifier {
  std::vector<Layer> layers;
  nn::Linear hidden, output;

  /// `make(in)` makes a layer that reads `in` features.
  template <class Make>
  Classifier(std::int64_t count, std::int64_t features, std::int64_t hidden_size, Make make)
      : hidden(hidden_size, 32), output(32, 10) {
    for (std::int64_t i = 0; i < count; ++i) layers.push_back(make(i ? hidden_size : features));
  }
  Tensor operator()(const Tensor& x,
                    const typename nn::RecurrentCall<typename Layer::State>& call = {}) const {
    Tensor h = x;
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) h = nn::dropout(layers[i](h, call).outputs, 0.2);
    h = nn::dropout(layers.back()(h, call).last, 0.1);
    return output(nn::dropout(relu(hidden(h)), 0.2));
  }
  nn::Fields fields() {
    std::vector<nn::Field> out;
    for (std::size_t i = 0; i < layers.size(); ++i) out.emplace_back("layer" + std::to_string(i), layers[i]);
    out.emplace_back("hidden", hidden);
    out.emplace_back("output", output);
    return nn::Fields(std::move(out));
  }
};

/// An LSTM as a user writes it, of which only the pointwise part is left open.
struct OwnLSTMCell {
  using State = std::array<Tensor, 2>;
  nn::Linear input;
  Parameter recurrent;

  OwnLSTMCell(std::int64_t in, std::int64_t hidden)
      : input(in, 4 * hidden), recurrent(nn::orthogonal()({hidden, 4 * hidden})) {}
  std::int64_t hidden_size() const { return recurrent.shape()[0]; }
  nn::Fields fields() { return {{"input", input}, {"recurrent", recurrent}}; }
};

/// The pointwise part as one fused expression.
struct FusedCell : OwnLSTMCell {
  using OwnLSTMCell::OwnLSTMCell;
  State operator()(Tensor x, const State& state) const {
    auto [h, c] = fused(
        [](auto i, auto f, auto g, auto o, auto before) {
          auto now = sigmoid(f) * before + sigmoid(i) * relu(g);
          return std::tuple{sigmoid(o) * relu(now), now};
        },
        split<4>(matmul_add(state[0], recurrent, std::move(x))), state[1]);
    return {h, c};
  }
};

/// The pointwise part as plain operations.
struct ComposedCell : OwnLSTMCell {
  using OwnLSTMCell::OwnLSTMCell;
  State operator()(const Tensor& x, const State& state) const {
    const auto [i, f, g, o] = split<4>(x + matmul(state[0], recurrent));
    const Tensor c = sigmoid(f) * state[1] + sigmoid(i) * relu(g);
    return {sigmoid(o) * relu(c), c};
  }
};

/// Random rows [batch, time, features] and labels [batch].
struct Batch {
  Tensor images, labels;
  Batch(std::int64_t batch, std::int64_t time, std::int64_t features)
      : images(uniform({batch, time, features})) {
    std::vector<std::int64_t> digits(static_cast<std::size_t>(batch));
    for (std::size_t i = 0; i < digits.size(); ++i) digits[i] = static_cast<std::int64_t>(i % 10);
    labels = Tensor::from(digits);
  }
};

template <class Model, class... Call>
void train_step(Model& model, optim::Adam& adam, const Batch& batch, const Call&... call) {
  Tape tape;
  const Tensor loss = nn::cross_entropy(model(batch.images, call...), batch.labels);
  adam.update(model, std::move(tape).gradient(loss));
}

}  // namespace bench
