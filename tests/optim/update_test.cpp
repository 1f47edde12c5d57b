// What the optimisers have in common: which parameters change, groups, learning rates and errors.
#include <cmath>
#include <functional>
#include <limits>
#include <thread>

#include "rill/autograd/ops.h"
#include "rill/optim/adagrad.h"
#include "rill/optim/adam.h"
#include "rill/optim/optimizer.h"
#include "rill/optim/rmsprop.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/threads.h"
#include "tests/catch.h"
#include "tests/optim/model.h"

using namespace optim_test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

const std::vector<std::pair<std::string, optim::Optimizer>>& every_optimizer() {
  static const std::vector<std::pair<std::string, optim::Optimizer>> all{
      {"sgd", optim::SGD()},
      {"sgd, momentum", optim::SGD({.momentum = 0.9, .weight_decay = 0.01})},
      {"sgd, nesterov", optim::SGD({.decay = 0.1, .momentum = 0.9, .nesterov = true})},
      {"adam", optim::Adam({.learning_rate = optim::cosine(0.1, 10)})},
      {"adam, amsgrad", optim::Adam({.amsgrad = true})},
      {"adamw", optim::AdamW()},
      {"rmsprop", optim::RMSprop()},
      {"rmsprop, centered, momentum", optim::RMSprop({.momentum = 0.5, .centered = true})},
      {"adagrad", optim::Adagrad()}};
  return all;
}

}  // namespace

TEST_CASE("one step of gradient descent", "[optim][update]") {
  Parameter weight(Tensor::from(std::vector<float>{1, 2, 3}));
  Gradients gradients;
  gradients.set(weight.id(), Tensor::from(std::vector<float>{1, -1, 0}));
  optim::SGD sgd{{.learning_rate = 0.5}};
  sgd.update(std::vector<nn::NamedParameter>{{"weight", &weight}}, gradients);
  CHECK(weight.value().to_vector<float>() == std::vector<float>{0.5, 2.5, 3});
  CHECK(sgd.state().step == 1);
}

TEST_CASE("Adam's first step has that length for a beta next to 1, too", "[optim][update]") {
  Parameter weight(Tensor::from(std::vector<double>{1}));
  Gradients gradients;
  gradients.set(weight.id(), Tensor::from(std::vector<double>{1}));
  optim::Adam adam{{.learning_rate = 0.5, .beta1 = 1 - 1e-13, .beta2 = 1 - 1e-13, .epsilon = 1e-30}};
  adam.update(std::vector<nn::NamedParameter>{{"weight", &weight}}, gradients);
  CHECK(weight.value().item() == Approx(0.5).epsilon(1e-9));
}

TEST_CASE("rules that divide by the root of squares take gradients of any size", "[optim][update]") {
  const std::pair<optim::Optimizer, double> rules[] = {
      {optim::Adam({.learning_rate = 0.5}), 0.5},
      {optim::Adam({.learning_rate = 0.5, .amsgrad = true}), 0.5},
      {optim::RMSprop({.learning_rate = 0.5, .rho = 0.75}), 1},
      {optim::Adagrad({.learning_rate = 0.5, .initial_accumulator = 0}), 0.5}};
  for (const auto& [dtype, size] : {std::pair{DType::float32, 1e30}, std::pair{DType::float64, 1e200}})
    for (auto [rule, distance] : rules) {
      Parameter weight(tensor({1, 1, 1}, dtype));
      Gradients gradients;
      gradients.set(weight.id(), tensor({size, -size, 1}, dtype));
      rule.update(std::vector<nn::NamedParameter>{{"weight", &weight}}, gradients);
      const auto moved = weight.value().to_vector<double>();
      CHECK(moved[0] == Approx(1 - distance).margin(1e-5));
      CHECK(moved[1] == Approx(1 + distance));
      CHECK(moved[2] == Approx(1 - distance).margin(1e-5));
      // It goes on from there.
      gradients.set(weight.id(), tensor({1, 1, 1}, dtype));
      rule.update(std::vector<nn::NamedParameter>{{"weight", &weight}}, gradients);
      CHECK(std::isfinite(max(weight.value()).item()));
    }
}

TEST_CASE("a gradient that is not finite shows in the weights", "[optim][update]") {
  for (optim::Optimizer rule : {optim::Optimizer(optim::Adam()), optim::Optimizer(optim::RMSprop()),
                                optim::Optimizer(optim::Adagrad())})
    for (const double bad : {not_a_number, std::numeric_limits<double>::infinity()}) {
      Parameter weight(tensor({1}));
      Gradients gradients;
      gradients.set(weight.id(), tensor({bad}));
      rule.update(std::vector<nn::NamedParameter>{{"weight", &weight}}, gradients);
      CHECK_FALSE(std::isfinite(weight.value().item()));
    }
}

TEST_CASE("an epsilon that is too small for the dtype does not divide 0 by 0", "[optim][update]") {
  const optim::Optimizer rules[] = {optim::Adam({.epsilon = 1e-60}), optim::RMSprop({.epsilon = 1e-60}),
                                    optim::Adagrad({.initial_accumulator = 0, .epsilon = 1e-60})};
  for (optim::Optimizer rule : rules) {
    Parameter weight(Tensor::from(std::vector<float>{1, 2}));
    Gradients gradients;
    gradients.set(weight.id(), zeros({2}));
    rule.update(std::vector<nn::NamedParameter>{{"weight", &weight}}, gradients);
    CHECK(weight.value().to_vector<float>() == std::vector<float>{1, 2});
  }
}

TEST_CASE("Adam's first step has the length of the learning rate", "[optim][update]") {
  Model model = make_model();
  const auto before = weights(model);
  const Gradients gradients = make_gradients(model, 1);
  optim::Adam adam{{.learning_rate = 0.01, .epsilon = 1e-12}};
  adam.update(model, gradients);
  const auto after = weights(model);
  for (std::size_t p = 0; p < after.size(); ++p)
    for (std::size_t i = 0; i < after[p].size(); ++i)
      CHECK(std::abs(after[p][i] - before[p][i]) == Approx(0.01).epsilon(1e-6));
}

TEST_CASE("AdamW shrinks weights by rate * weight_decay apart from the moments", "[optim][update]") {
  Model model = make_model(), plain = model;
  optim::AdamW adamw{{.learning_rate = 0.1, .weight_decay = 0.5}};
  optim::Adam adam{{.learning_rate = 0.1}};
  const auto before = weights(model);
  adamw.update(model, make_gradients(model, 1));
  adam.update(plain, make_gradients(plain, 1));
  const auto with = weights(model), without = weights(plain);
  for (std::size_t p = 0; p < with.size(); ++p)
    for (std::size_t i = 0; i < with[p].size(); ++i)
      CHECK(with[p][i] == Approx(without[p][i] - 0.05 * before[p][i]).margin(1e-12));
}

TEST_CASE("Keras's decay divides the rate by 1 + decay * step", "[optim][update]") {
  Model model = make_model();
  optim::Adam adam{{.learning_rate = 1e-4, .decay = 0.5}};
  CHECK(adam.learning_rate() == 1e-4);
  adam.update(model, make_gradients(model, 1));
  adam.update(model, make_gradients(model, 2));
  CHECK(adam.learning_rate() == Approx(5e-5));
}

TEST_CASE("a parameter without a gradient, or a frozen one, stays as it is", "[optim][update]") {
  for (const auto& [label, prototype] : every_optimizer()) {
    INFO(label);
    optim::Optimizer optimizer = prototype;
    Model model = make_model();
    const auto before = weights(model);
    Gradients gradients = make_gradients(model, 1);
    Gradients some;
    some.set(model.hidden.kernel.id(), gradients[model.hidden.kernel]);
    some.set(model.output.bias.id(), gradients[model.output.bias]);
    model.output.bias.trainable = false;
    optimizer.update(model, some);
    const auto after = weights(model);
    CHECK(after[0] != before[0]);
    CHECK(after[1] == before[1]);
    CHECK(after[2] == before[2]);
    CHECK(after[3] == before[3]);
    CHECK(optimizer.state().parameters.size() == 1);
  }
}

TEST_CASE("Adam corrects its bias by the updates of each parameter", "[optim][update]") {
  Model model = make_model();
  optim::Adam adam{{.learning_rate = 0.01, .epsilon = 1e-12}};
  for (int step = 0; step < 20; ++step) {
    Gradients gradients = make_gradients(model, step), some;
    some.set(model.hidden.kernel.id(), gradients[model.hidden.kernel]);
    adam.update(model, some);
  }
  const double before = weights(model)[3][0];
  adam.update(model, make_gradients(model, 20));
  CHECK(std::abs(weights(model)[3][0] - before) == Approx(0.01));
}

TEST_CASE("an update leaves what shares the weights as it was", "[optim][update]") {
  for (const auto& [label, prototype] : every_optimizer()) {
    INFO(label);
    optim::Optimizer optimizer = prototype;
    Model model = make_model(), copy = model;
    const Tensor kept = model.hidden.kernel.value();
    const auto before = kept.to_vector<double>();
    optimizer.update(model, make_gradients(model, 1));
    CHECK(kept.to_vector<double>() == before);
    CHECK(weights(copy)[0] == before);
    CHECK(weights(model)[0] != before);
  }
}

TEST_CASE("shared and solely owned weights are updated to the same bits", "[optim][update]") {
  for (const auto& [label, prototype] : every_optimizer()) {
    INFO(label);
    optim::Optimizer shared_optimizer = prototype, sole_optimizer = prototype;
    Model shared = make_model<float>(101);
    Model sole = make_model<float>(101);
    std::vector<std::vector<nn::NamedParameter>> snapshots;
    for (int step = 0; step < 3; ++step) {
      const Model keeps_them_shared = shared;
      const optim::State snapshot = shared_optimizer.state();
      shared_optimizer.update(shared, make_gradients<float>(shared, step));
      sole_optimizer.update(sole, make_gradients<float>(sole, step));
    }
    CHECK(weights(shared) == weights(sole));
  }
}

TEST_CASE("any number of threads gives the same bits", "[optim][update]") {
  const int before = threads();
  for (const auto& [label, prototype] : every_optimizer()) {
    INFO(label);
    std::vector<std::vector<std::vector<double>>> results;
    for (int count : {1, 2, 3}) {
      set_threads(count);
      optim::Optimizer optimizer = prototype;
      Model model = make_model<float>(20'011);
      for (int step = 0; step < 2; ++step) optimizer.update(model, make_gradients<float>(model, step));
      results.push_back(weights(model));
    }
    CHECK((results[0] == results[1]));
    CHECK((results[0] == results[2]));
  }
  set_threads(before);
}

TEST_CASE("weights and gradients of any layout", "[optim][update]") {
  const Tensor value = wave_tensor({2, 3}, 0.3), gradient = wave_tensor({2, 3}, 1.3);
  const auto transposed = [](const Tensor& x) {  // the same numbers, stored by columns
    std::vector<double> columns;
    const auto rows = x.to_vector<double>();
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t i = 0; i < 2; ++i) columns.push_back(rows[3 * i + j]);
    return detail::TensorAccess::view(Tensor::from(columns), 0, {2, 3}, {1, 2});
  };
  Parameter plain(value), strided(transposed(value));
  for (auto* parameter : {&plain, &strided}) {
    Gradients gradients;
    gradients.set(parameter->id(), parameter == &plain ? gradient : transposed(gradient));
    optim::Adam adam;
    adam.update(std::vector<nn::NamedParameter>{{"weight", parameter}}, gradients);
  }
  CHECK(strided.value().to_vector<double>() == plain.value().to_vector<double>());
}

TEST_CASE("parameters of no elements and of one", "[optim][update]") {
  for (const auto& [label, prototype] : every_optimizer()) {
    INFO(label);
    optim::Optimizer optimizer = prototype;
    Parameter none(Tensor::empty({0, 4})), one(Tensor::from(std::vector<float>{1}, {}));
    Gradients gradients;
    gradients.set(none.id(), Tensor::empty({0, 4}));
    gradients.set(one.id(), Tensor::from(std::vector<float>{1}, {}));
    optimizer.update(std::vector<nn::NamedParameter>{{"none", &none}, {"one", &one}}, gradients);
    CHECK(one.value().item() < 1);
  }
}

TEST_CASE("a pattern names a parameter by its leading parts or by *", "[optim][groups]") {
  using optim::matches;
  CHECK(matches("output", "output"));
  CHECK(matches("output", "output.bias"));
  CHECK(matches("output.bias", "output.bias"));
  CHECK_FALSE(matches("output", "output2.bias"));
  CHECK_FALSE(matches("bias", "output.bias"));
  CHECK(matches("*.bias", "a.b.bias"));
  CHECK_FALSE(matches("*.bias", "bias"));
  CHECK(matches("lstm*", "lstm1.recurrent"));
  CHECK(matches("lstm*.recurrent", "lstm1.recurrent"));
  CHECK(matches("*", "anything.at.all"));
  CHECK(matches("a*b*c", "a.b.c"));
  CHECK_FALSE(matches("a*b*c", "a.c.b"));
  CHECK_FALSE(matches("", "a"));
}

TEST_CASE("a group has its own settings, and the rest of them from outside", "[optim][groups]") {
  Model grouped = make_model(), slow = grouped, fast = grouped;
  optim::SGD sgd{{.learning_rate = 0.1, .momentum = 0.9, .groups = {{"output", {.learning_rate = 0.2}}}}};
  optim::SGD slow_sgd{{.learning_rate = 0.1, .momentum = 0.9}};
  optim::SGD fast_sgd{{.learning_rate = 0.2, .momentum = 0.9}};
  for (int step = 0; step < 3; ++step) {
    sgd.update(grouped, make_gradients(grouped, step));
    slow_sgd.update(slow, make_gradients(slow, step));
    fast_sgd.update(fast, make_gradients(fast, step));
  }
  CHECK(weights(grouped)[0] == weights(slow)[0]);
  CHECK(weights(grouped)[1] == weights(slow)[1]);
  CHECK(weights(grouped)[2] == weights(fast)[2]);
  CHECK(weights(grouped)[3] == weights(fast)[3]);
}

TEST_CASE("of several groups that match, later ones win setting by setting", "[optim][groups]") {
  Model model = make_model(), expected = model;
  optim::AdamW adamw{
      {.learning_rate = 0.1,
       .weight_decay = 0.5,
       .groups = {{"output", {.learning_rate = 0.2, .weight_decay = 0.3}}, {"*.bias", {.weight_decay = 0}}}}};
  optim::AdamW of_bias{{.learning_rate = 0.2, .weight_decay = 0}};
  adamw.update(model, make_gradients(model, 1));
  of_bias.update(expected, make_gradients(expected, 1));
  CHECK(weights(model)[3] == weights(expected)[3]);
  CHECK(weights(model)[2] != weights(expected)[2]);
}

TEST_CASE("momentum in a group alone leaves the others as without", "[optim][groups]") {
  Model model = make_model(), plain = model;
  optim::SGD sgd{{.groups = {{"output", {.momentum = 0.9}}}}};
  optim::SGD without;
  for (int step = 0; step < 3; ++step) {
    sgd.update(model, make_gradients(model, step));
    without.update(plain, make_gradients(plain, step));
  }
  CHECK(weights(model)[0] == weights(plain)[0]);
  CHECK(weights(model)[2] != weights(plain)[2]);
}

TEST_CASE("a group that matches nothing is an error", "[optim][groups][error]") {
  Model model = make_model();
  const auto before = weights(model);
  optim::Adam adam{{.groups = {{"ouput", {.learning_rate = 1e-3}}}}};
  CHECK_THROWS_WITH(adam.update(model, make_gradients(model, 1)),
                    "adam: the group \"ouput\" matches no parameter of the model; it has hidden.kernel, "
                    "hidden.bias, output.kernel, output.bias");
  CHECK(weights(model) == before);
  CHECK(adam.state().step == 0);
}

TEST_CASE("options outside of their domain", "[optim][error]") {
  CHECK_THROWS_AS(optim::Adam({.learning_rate = not_a_number}), ValueError);
  CHECK_THROWS_AS(optim::Adam({.learning_rate = -1e-3}), ValueError);
  CHECK_THROWS_AS(optim::Adam({.learning_rate = std::numeric_limits<double>::infinity()}), ValueError);
  CHECK_THROWS_WITH(optim::Adam({.decay = -1}), "adam: decay is -1; expected a finite number of at least 0");
  CHECK_THROWS_WITH(optim::Adam({.beta1 = 1}),
                    "adam: beta1 is 1; expected a number of at least 0 and below 1");
  CHECK_THROWS_AS(optim::Adam({.beta2 = not_a_number}), ValueError);
  CHECK_THROWS_WITH(optim::Adam({.epsilon = 0}), "adam: epsilon is 0; expected a finite number above 0");
  CHECK_THROWS_AS(optim::AdamW({.weight_decay = -1}), ValueError);
  CHECK_THROWS_AS(optim::SGD({.momentum = -0.1}), ValueError);
  CHECK_THROWS_WITH(optim::SGD({.nesterov = true}),
                    "sgd: nesterov looks ahead along the velocity; set momentum above 0");
  CHECK_THROWS_AS(optim::RMSprop({.rho = 1}), ValueError);
  CHECK_THROWS_AS(optim::Adagrad({.initial_accumulator = -1}), ValueError);
  CHECK_THROWS_AS(optim::Adam({.groups = {{"output", {.beta1 = 2}}}}), ValueError);
}

TEST_CASE("a bad gradient changes nothing", "[optim][error]") {
  for (const auto& [label, prototype] : every_optimizer()) {
    INFO(label);
    optim::Optimizer optimizer = prototype;
    Model model = make_model();
    const auto before = weights(model);

    Gradients wrong_shape = make_gradients(model, 1);
    wrong_shape[model.output.bias] = wave_tensor({4}, 0);
    CHECK_THROWS_AS(optimizer.update(model, wrong_shape), ShapeError);
    Gradients wrong_dtype = make_gradients(model, 1);
    wrong_dtype[model.output.bias] = wave_tensor<float>({3}, 0);
    CHECK_THROWS_AS(optimizer.update(model, wrong_dtype), DTypeError);
    CHECK(weights(model) == before);
    CHECK(optimizer.state().step == 0);
    CHECK(optimizer.state().parameters.empty());
  }
}

TEST_CASE("the gradient of a parameter that fields() forgot is an error", "[optim][error]") {
  Model model = make_model();
  Parameter forgotten(wave_tensor({5, 2}, 0));
  Gradients gradients = make_gradients(model, 1);
  gradients.set(forgotten.id(), wave_tensor({5, 2}, 1));
  optim::Adam adam;
  CHECK_THROWS_WITH(adam.update(model, gradients),
                    "adam: the gradients of 1 parameter(s), of shape [5, 2], belong to none that the model's "
                    "fields() name; name them there, or pass optim::only(model, gradients)");
  CHECK_NOTHROW(adam.update(model, optim::only(model, gradients)));
}

TEST_CASE("a schedule that breaks is caught before anything changes", "[optim][error]") {
  Model model = make_model();
  const auto before = weights(model);
  optim::Adam adam{{.learning_rate = [](std::int64_t step) { return 1.0 / static_cast<double>(step); }}};
  CHECK_THROWS_AS(adam.update(model, make_gradients(model, 1)), ValueError);
  CHECK(weights(model) == before);
  CHECK(adam.state().step == 0);
}

TEST_CASE("one optimiser on a model of other shapes is an error", "[optim][error]") {
  Model narrow = make_model(3), wide = make_model(5);
  optim::Adam adam;
  adam.update(narrow, make_gradients(narrow, 1));
  CHECK_THROWS_WITH(adam.update(wide, make_gradients(wide, 1)),
                    "adam: the first_moment of \"hidden.kernel\" has shape [2, 3], the parameter [2, 5]");
}

TEST_CASE("a step in float32 is that in float64 to the last places, for gradients of any size",
          "[optim][update]") {
  for (const auto& [name, optimizer] : every_optimizer()) {
    INFO(name);
    // Not a whole number of packets, and from weights of 0, so that the step is all that is left.
    const std::vector<double> gradients{0,    1e-30, -1e-19, 1e-15, -1e-10, 1e-7, 3e-5,  -1e-3, 0.1, 1,
                                        -3.7, 25,    1e3,    -1e5,  1e8,    1e12, -1e15, 1e18,  2};
    std::vector<std::vector<double>> steps;
    for (const DType dtype : {DType::float64, DType::float32}) {
      Parameter weight(zeros({static_cast<std::int64_t>(gradients.size())}, dtype));
      Gradients g;
      g.set(weight.id(), cast(Tensor::from(gradients), dtype));
      optim::Optimizer fresh = optimizer;
      fresh.update({{"weight", &weight}}, g);
      steps.push_back(cast(weight.value(), DType::float64).to_vector<double>());
    }
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      INFO(gradients[i]);
      CHECK(steps[1][i] == Approx(steps[0][i]).epsilon(1e-6).margin(1e-20));
    }
  }
}

TEST_CASE("a square that would overflow makes a step as any other, and NaN one to NaN", "[optim][update]") {
  Parameter weight(Tensor::from(std::vector<float>{1, 2, 3}));
  Gradients gradients;
  gradients.set(weight.id(),
                Tensor::from(std::vector<float>{1e25F, std::numeric_limits<float>::quiet_NaN(), 0}));
  optim::Adam adam;
  adam.update({{"weight", &weight}}, gradients);
  const auto values = weight.value().to_vector<float>();
  CHECK(values[0] == Approx(0.999));
  CHECK(std::isnan(values[1]));
  CHECK(values[2] == 3);
}
