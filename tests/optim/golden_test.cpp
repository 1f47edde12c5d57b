// Ten steps of every optimiser, and the schedules and clipping, beside PyTorch's values
// (tests/golden/optimizers.py).
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "rill/optim/adagrad.h"
#include "rill/optim/adam.h"
#include "rill/optim/clip.h"
#include "rill/optim/optimizer.h"
#include "rill/optim/rmsprop.h"
#include "rill/optim/schedule.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/kernels/copy.h"
#include "tests/catch.h"

using namespace rill;
using nlohmann::json;

namespace {

const json& golden() {
  static const json values = json::parse(std::ifstream(RILL_SOURCE_DIR "/tests/golden/optimizers.json"));
  return values;
}

Tensor read(const json& stored, DType dtype) {
  Shape shape;
  for (std::int64_t size : stored.at("shape")) shape.push_back(size);
  return kernels::cast(Tensor::from(stored.at("data").get<std::vector<double>>(), shape), dtype);
}

struct Model {
  Parameter a, b;
  nn::Fields fields() { return {{"a", a}, {"b", b}}; }
};

Gradients read_gradients(Model& model, const json& stored, DType dtype) {
  Gradients gradients;
  for (const auto& [name, parameter] : nn::parameters(model))
    gradients.set(parameter->id(), read(stored.at(name), dtype));
  return gradients;
}

optim::Optimizer make(const std::string& rule, const json& o) {
  const double rate = o.at("learning_rate"), decay = o.value("decay", 0.0),
               momentum = o.value("momentum", 0.0);
  const double weight_decay = o.value("weight_decay", 0.0), epsilon = o.value("epsilon", 0.0);
  if (rule == "sgd")
    return optim::SGD({.learning_rate = rate,
                       .decay = decay,
                       .momentum = momentum,
                       .nesterov = o.value("nesterov", false),
                       .weight_decay = weight_decay});
  if (rule == "adam")
    return optim::Adam({.learning_rate = rate,
                        .decay = decay,
                        .beta1 = o.at("beta1"),
                        .beta2 = o.at("beta2"),
                        .epsilon = epsilon,
                        .amsgrad = o.value("amsgrad", false)});
  if (rule == "adamw")
    return optim::AdamW({.learning_rate = rate,
                         .decay = decay,
                         .beta1 = o.at("beta1"),
                         .beta2 = o.at("beta2"),
                         .epsilon = epsilon,
                         .weight_decay = weight_decay,
                         .amsgrad = o.value("amsgrad", false)});
  if (rule == "rmsprop")
    return optim::RMSprop({.learning_rate = rate,
                           .decay = decay,
                           .rho = o.at("rho"),
                           .momentum = momentum,
                           .epsilon = epsilon,
                           .centered = o.value("centered", false)});
  if (rule == "adagrad")
    return optim::Adagrad({.learning_rate = rate,
                           .decay = decay,
                           .initial_accumulator = o.at("initial_accumulator"),
                           .epsilon = epsilon});
  throw std::runtime_error("no optimiser of that name: " + rule);
}

optim::Schedule make_schedule(const std::string& name, const json& o) {
  if (name == "inverse_time") return optim::inverse_time(o.at("initial"), o.at("decay"));
  if (name == "step_decay") return optim::step_decay(o.at("initial"), o.at("factor"), o.at("every"));
  if (name == "exponential") return optim::exponential(o.at("initial"), o.at("factor"), o.at("every"));
  if (name == "cosine") return optim::cosine(o.at("initial"), o.at("steps"), o.at("final"));
  if (name == "linear") return optim::linear(o.at("first"), o.at("last"), o.at("steps"));
  throw std::runtime_error("no schedule of that name: " + name);
}

void check_close(const Tensor& value, const json& expected, double tolerance) {
  const auto is = value.to_vector<double>();
  const auto should = expected.at("data").get<std::vector<double>>();
  REQUIRE(is.size() == should.size());
  for (std::size_t i = 0; i < is.size(); ++i)
    CHECK(is[i] == Approx(should[i]).epsilon(tolerance).margin(tolerance));
}

}  // namespace

TEST_CASE("ten steps of every optimiser are PyTorch's", "[optim][golden]") {
  for (const json& scenario : golden().at("cases"))
    for (const auto& [dtype, tolerance] :
         {std::pair{DType::float64, 1e-13}, std::pair{DType::float32, 2e-6}}) {
      INFO(scenario.at("name").get<std::string>() << ", " << name(dtype));
      Model model{Parameter(read(golden().at("initial").at("a"), dtype)),
                  Parameter(read(golden().at("initial").at("b"), dtype))};
      optim::Optimizer optimizer = make(scenario.at("optimizer"), scenario.at("options"));
      REQUIRE(scenario.at("parameters").size() == 10);
      for (std::size_t t = 0; t < 10; ++t) {
        INFO("update " << t);
        optimizer.update(model, read_gradients(model, golden().at("gradients").at(t), dtype));
        check_close(model.a.value(), scenario.at("parameters").at(t).at("a"), tolerance);
        check_close(model.b.value(), scenario.at("parameters").at(t).at("b"), tolerance);
      }
    }
}

TEST_CASE("schedules give PyTorch's rates", "[optim][golden]") {
  for (const json& scenario : golden().at("schedules")) {
    INFO(scenario.at("schedule").get<std::string>());
    const optim::Schedule schedule = make_schedule(scenario.at("schedule"), scenario.at("options"));
    std::int64_t step = 0;
    for (double rate : scenario.at("rates")) CHECK(schedule(step++) == Approx(rate).epsilon(1e-13));
  }
}

TEST_CASE("clipping by the global norm", "[optim][golden]") {
  for (const json& scenario : golden().at("clip_global_norm")) {
    Model model{Parameter(read(golden().at("initial").at("a"), DType::float64)),
                Parameter(read(golden().at("initial").at("b"), DType::float64))};
    Gradients gradients = read_gradients(model, scenario.at("gradients"), DType::float64);
    CHECK(optim::clip_by_global_norm(gradients, scenario.at("bound")) ==
          Approx(scenario.at("norm_before").get<double>()).epsilon(1e-14));
    check_close(gradients[model.a], scenario.at("clipped").at("a"), 1e-14);
    check_close(gradients[model.b], scenario.at("clipped").at("b"), 1e-14);
  }
}
