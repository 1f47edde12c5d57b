#include <cmath>

#include "rill/autograd/tape.h"
#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/optim/adam.h"
#include "tests/golden.h"

using namespace rill;

namespace {

// The tutorial's classifier with its dropout off.
struct Classifier {
  nn::LSTM lstm1{28, 256, {.activation = nn::Activation::relu}};
  nn::LSTM lstm2{256, 256, {.activation = nn::Activation::relu}};
  nn::Linear hidden{256, 32};
  nn::Linear output{32, 10};

  Tensor operator()(const Tensor& rows) const {
    return output(relu(hidden(lstm2(lstm1(rows).outputs).last)));
  }
  nn::Fields fields() { return {{"lstm1", lstm1}, {"lstm2", lstm2}, {"hidden", hidden}, {"output", output}}; }

  Parameter& named(const std::string& name) {
    if (name == "hidden.weight") return hidden.kernel;
    if (name == "hidden.bias") return *hidden.bias;
    if (name == "output.weight") return output.kernel;
    if (name == "output.bias") return *output.bias;
    nn::LSTMCell& cell = (name.starts_with("lstm1") ? lstm1 : lstm2).cells()[0];
    if (name.ends_with("kernel")) return cell.input.kernel;
    return name.ends_with("recurrent") ? cell.recurrent : *cell.input.bias;
  }
};

// The formulas of reference.json.
std::uint32_t bits(std::uint32_t salt, std::uint32_t i) {
  std::uint32_t n = salt * 0x9e3779b9U + i;
  n ^= n >> 16;
  n *= 0x85ebca6bU;
  n ^= n >> 13;
  n *= 0xc2b2ae35U;
  return n ^ (n >> 16);
}

Tensor initial(const nlohmann::json& json) {
  const auto sizes = json.at("shape").get<std::vector<std::int64_t>>();
  const Shape shape(sizes.begin(), sizes.end());
  std::vector<float> values(static_cast<std::size_t>(count(shape)));
  const auto& rule = json.at("initial");
  for (std::uint32_t i = 0; i < values.size(); ++i) {
    if (rule.at("rule") == "forget_one")
      values[i] = i >= 256 && i < 512 ? 1.0F : 0.0F;
    else
      values[i] = static_cast<float>(rule.at("limit").get<double>() *
                                     (2 * (bits(rule.at("salt"), i) / 4294967296.0) - 1));
  }
  return Tensor::from(values, shape);
}

Tensor images(std::uint32_t batch) {
  std::vector<float> pixels(32 * 784);
  for (std::uint32_t k = 0; k < pixels.size(); ++k) {
    const std::uint32_t image = 32 * batch + k / 784, p = k % 784, label = image % 10;
    if (bits(1, 784 * label + p) >> 31)
      pixels[k] = static_cast<float>(bits(2, 784 * image + p) >> 24) / 255.0F;
  }
  return Tensor::from(pixels, {32, 28, 28});
}

Tensor labels(std::int64_t batch) {
  std::vector<std::int64_t> digits;
  for (std::int64_t i = 0; i < 32; ++i) digits.push_back((32 * batch + i) % 10);
  return Tensor::from(digits);
}

Classifier start(const nlohmann::json& json, DType dtype) {
  Classifier model;
  for (const auto& [name, parameter] : json.at("parameters").items())
    model.named(name).mutable_value() = initial(parameter);
  nn::to(model, dtype);
  return model;
}

std::vector<double> losses_of_20_steps(Classifier& model, DType dtype) {
  optim::Adam adam{{.learning_rate = 1e-4, .decay = 1e-6, .epsilon = 1e-7}};
  std::vector<double> losses;
  for (int step = 0; step < 20; ++step) {
    Tape tape;
    const Tensor loss =
        nn::cross_entropy(model(cast(images(static_cast<std::uint32_t>(step)), dtype)), labels(step));
    losses.push_back(loss.item());
    adam.update(model, tape.gradient(loss));
  }
  return losses;
}

}  // namespace

TEST_CASE("the tutorial's classifier has PyTorch's gradients at the first step, in float64", "[nn][golden]") {
  const auto json = golden::read("reference.json");
  CHECK(sum(cast(images(0), DType::float64)).item() ==
        Approx(json.at("images").at("first_batch_sum").get<double>()));
  Classifier model = start(json, DType::float64);
  Tape tape;
  const Tensor loss = nn::cross_entropy(model(cast(images(0), DType::float64)), labels(0));
  const Gradients gradients = tape.gradient(loss);
  for (const auto& [name, parameter] : json.at("parameters").items()) {
    CAPTURE(name);
    const auto values = gradients[model.named(name)].to_vector<double>();
    const auto& expected = parameter.at("gradient");
    double squares = 0, total = 0;
    for (double v : values) {
      squares += v * v;
      total += v;
    }
    const double norm = expected.at("norm");
    CHECK(std::sqrt(squares) == Approx(norm).epsilon(1e-10));
    CHECK(std::abs(total - expected.at("sum").get<double>()) < 1e-9 * norm);
    const double largest = expected.at("largest");
    for (std::size_t k = 0; k < expected.at("indices").size(); ++k)
      CHECK(std::abs(values[expected.at("indices")[k].get<std::size_t>()] -
                     expected.at("values")[k].get<double>()) < 1e-9 * largest);
  }
}

TEST_CASE("the tutorial's classifier has PyTorch's first 20 losses", "[nn][golden]") {
  const auto json = golden::read("reference.json");
  SECTION("in float32 to 1e-5 relative") {
    Classifier model = start(json, DType::float32);
    const auto losses = losses_of_20_steps(model, DType::float32);
    for (std::size_t i = 0; i < losses.size(); ++i)
      CHECK(losses[i] == Approx(json.at("losses_float32")[i].get<double>()).epsilon(1e-5));
  }
  SECTION("in float64 to 1e-9 relative, and its weights have moved alike") {
    Classifier model = start(json, DType::float64);
    Classifier before = model;
    const auto losses = losses_of_20_steps(model, DType::float64);
    for (std::size_t i = 0; i < losses.size(); ++i)
      CHECK(losses[i] == Approx(json.at("losses_float64")[i].get<double>()).epsilon(1e-9));
    for (const auto& [name, parameter] : json.at("parameters").items()) {
      CAPTURE(name);
      const Tensor moved = model.named(name).value() - before.named(name).value();
      CHECK(sqrt(sum(square(moved))).item() ==
            Approx(parameter.at("moved").at("norm").get<double>()).epsilon(1e-6));
    }
  }
}
