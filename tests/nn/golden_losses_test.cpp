#include "rill/autograd/tape.h"
#include "rill/nn/loss.h"
#include "tests/golden.h"

using namespace rill;
using golden::tensor;

TEST_CASE("losses equal PyTorch's in value and gradient", "[nn][loss][golden]") {
  int compared = 0;
  const nlohmann::json all = golden::read("losses.json");
  for (const auto& json : all.at("cases")) {
    const auto& options = json.at("options");
    // Rill's losses are means.
    if (options.value("reduction", "mean") != "mean") continue;
    if (options.contains("positive_weight") && !options.at("positive_weight").is_null()) continue;
    const std::string name = json.at("name"), loss = json.at("loss");
    CAPTURE(name);
    const auto& input = json.at("inputs").begin().value();
    const auto& constants = json.at("constants");
    Tape tape;
    const Tensor x = tape.watch(tensor(input));
    Tensor value;
    if (loss == "cross_entropy") {
      nn::CrossEntropyOptions o;
      o.label_smoothing = options.at("label_smoothing");
      if (!options.at("ignore_index").is_null())
        o.ignored_index = options.at("ignore_index").get<std::int64_t>();
      for (const auto& [key, constant] : constants.items())
        if (key != "labels") o.class_weights = tensor(constant);
      value = nn::cross_entropy(x, tensor(constants.at("labels")), o);
    } else if (loss == "negative_log_probability") {
      value = nn::cross_entropy_from_probabilities(x, tensor(constants.at("labels")));
    } else {
      const Tensor target = tensor(constants.at("target"));
      if (loss == "mse") value = nn::mse(x, target);
      if (loss == "mae") value = nn::mae(x, target);
      if (loss == "huber") value = nn::Huber{options.at("delta")}(x, target);
      if (loss == "binary_cross_entropy") value = nn::binary_cross_entropy(x, target);
    }
    REQUIRE(value.defined());
    CHECK(golden::difference(value, tensor(json.at("value"))) < 1e-13);
    CHECK(golden::difference(tape.gradient(value, x), tensor(json.at("gradients").begin().value())) < 1e-12);
    ++compared;
  }
  CHECK(compared >= 15);
}
