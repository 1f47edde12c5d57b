#include "rill/autograd/tape.h"
#include "rill/nn/gru.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "tests/golden.h"

using namespace rill;
using golden::difference;
using golden::tensor;

namespace {

// The parameter of a cell under the name that the JSON has for it.
template <class C>
Parameter& parameter(C& cell, const std::string& name) {
  if (name == "kernel") return cell.input.kernel;
  if (name == "bias" || name == "input_bias") return *cell.input.bias;
  if (name == "recurrent") return cell.recurrent;
  if constexpr (std::same_as<C, nn::GRUCell>)
    if (name == "recurrent_bias") return *cell.recurrent_bias;
  if constexpr (std::same_as<C, nn::LSTMCell>)
    if (name == "projection") return *cell.projection;
  throw std::runtime_error("no parameter " + name);
}

nn::LSTMCell::State join_state(const Tensor& hidden, const Tensor& cell) { return {hidden, cell}; }

template <class Layer, class State>
void compare(Layer layer, const nlohmann::json& json, State make_state) {
  nn::to(layer, DType::float64);
  const std::size_t directions = json.at("bidirectional").get<bool>() ? 2 : 1;
  for (std::size_t i = 0; i < layer.cells().size(); ++i)
    for (const auto& [name, value] : json.at("parameters")[i / directions][i % directions].items())
      parameter(layer.cells()[i], name).mutable_value() = tensor(value);
  const bool has_cell = json.contains("initial_cell");

  Tape tape;
  const Tensor x = tape.watch(tensor(json.at("input")));
  const Tensor hidden = tape.watch(tensor(json.at("initial_hidden")));
  const Tensor cell = has_cell ? tape.watch(tensor(json.at("initial_cell"))) : Tensor();
  nn::RecurrentCall<typename Layer::State> call;
  for (std::size_t i = 0; i < layer.cells().size(); ++i) call.initial.push_back(make_state(hidden, cell, i));
  if (!json.at("lengths").is_null())
    call.lengths = Tensor::from(json.at("lengths").get<std::vector<std::int64_t>>());
  const auto result = layer(x, call);

  std::vector<Tensor> final_hidden, final_cell;
  for (const auto& state : result.state) {
    const auto parts = nn::StateTraits<typename Layer::State>::pack(state);
    final_hidden.push_back(parts[0]);
    if (has_cell) final_cell.push_back(parts[1]);
  }
  CHECK(difference(result.outputs, tensor(json.at("outputs"))) < 1e-12);
  CHECK(difference(stack(final_hidden), tensor(json.at("final_hidden"))) < 1e-12);
  if (has_cell) CHECK(difference(stack(final_cell), tensor(json.at("final_cell"))) < 1e-12);

  const auto& cotangents = json.at("cotangents");
  Tensor loss = sum(result.outputs * tensor(cotangents.at("outputs"))) +
                sum(stack(final_hidden) * tensor(cotangents.at("final_hidden")));
  if (has_cell) loss = loss + sum(stack(final_cell) * tensor(cotangents.at("final_cell")));
  const auto& expected = json.at("gradients");
  CHECK(difference(tape.gradient(loss, x), tensor(expected.at("input"))) < 1e-10);
  CHECK(difference(tape.gradient(loss, hidden), tensor(expected.at("initial_hidden"))) < 1e-10);
  if (has_cell) CHECK(difference(tape.gradient(loss, cell), tensor(expected.at("initial_cell"))) < 1e-10);
  const Gradients gradients = tape.gradient(loss);
  for (std::size_t i = 0; i < layer.cells().size(); ++i)
    for (const auto& [name, value] : expected.at("parameters")[i / directions][i % directions].items()) {
      CAPTURE(i, name);
      CHECK(difference(gradients[parameter(layer.cells()[i], name)], tensor(value)) < 1e-10);
    }
}

}  // namespace

TEST_CASE("RNN, GRU and LSTM layers equal PyTorch's in outputs, states and all gradients", "[nn][golden]") {
  const nlohmann::json all = golden::read("layers.json");
  for (const auto& json : all.at("cases")) {
    const std::string name = json.at("name");
    CAPTURE(name);
    const std::int64_t in = json.at("input").at("shape")[2];
    const std::int64_t layers = json.at("layers");
    const bool bidirectional = json.at("bidirectional");
    const auto& recurrent = json.at("parameters")[0][0].at("recurrent").at("shape");
    const auto activation =
        json.value("activation", "tanh") == "relu" ? nn::Activation::relu : nn::Activation::tanh;
    const auto hidden_of = [](const Tensor& h, const Tensor&, std::size_t i) -> Tensor {
      return select(h, 0, static_cast<std::int64_t>(i));
    };
    if (json.at("cell") == "rnn") {
      compare(nn::RNN(in, recurrent[1],
                      {.activation = activation, .layers = layers, .bidirectional = bidirectional}),
              json, hidden_of);
    } else if (json.at("cell") == "gru") {
      const bool reset_after = json.at("parameters")[0][0].contains("recurrent_bias");
      compare(nn::GRU(in, recurrent[1].get<std::int64_t>() / 3,
                      {.reset_after = reset_after, .layers = layers, .bidirectional = bidirectional}),
              json, hidden_of);
    } else {
      const bool projected = json.at("parameters")[0][0].contains("projection");
      compare(nn::LSTM(in, recurrent[1].get<std::int64_t>() / 4,
                       {.activation = activation,
                        .projection = projected ? recurrent[0].get<std::int64_t>() : 0,
                        .layers = layers,
                        .bidirectional = bidirectional}),
              json, [](const Tensor& h, const Tensor& c, std::size_t i) {
                const auto place = static_cast<std::int64_t>(i);
                return join_state(select(h, 0, place), select(c, 0, place));
              });
    }
  }
}
