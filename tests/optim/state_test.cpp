#include "rill/optim/state.h"

#include <functional>

#include "rill/optim/adagrad.h"
#include "rill/optim/adam.h"
#include "rill/optim/average.h"
#include "rill/optim/optimizer.h"
#include "rill/optim/rmsprop.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"
#include "tests/optim/model.h"

using namespace optim_test;

namespace {

void train(optim::Optimizer& optimizer, Model& model, int first, int last) {
  for (int step = first; step < last; ++step) optimizer.update(model, make_gradients(model, step));
}

// A user's own rule: the sign of the gradient.
struct SignDescent {
  double rate = 0.1;
  optim::State memory{.rule = "sign"};
  void update(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients) {
    for (const auto& [name, parameter] : parameters)
      if (const Tensor* gradient = gradients.find(*parameter)) {
        const auto g = gradient->to_vector<double>();
        auto w = parameter->mutable_value().mutable_span<double>();
        for (std::size_t i = 0; i < w.size(); ++i) w[i] -= rate * (g[i] > 0 ? 1 : -1);
      }
    ++memory.step;
  }
  optim::State state() const { return memory; }
  void set_state(const std::vector<nn::NamedParameter>&, optim::State state) { memory = std::move(state); }
};
static_assert(optim::UpdateRule<SignDescent>);

}  // namespace

TEST_CASE("a run that stops and goes on from its state gives the same bits", "[optim][state]") {
  const std::vector<optim::Optimizer> all{
      optim::SGD({.momentum = 0.9, .nesterov = true}),
      optim::Adam(
          {.learning_rate = optim::warm_up(3, optim::cosine(0.1, 10)), .decay = 0.1, .amsgrad = true}),
      optim::AdamW({.groups = {{"*.bias", {.weight_decay = 0}}}}),
      optim::RMSprop({.momentum = 0.5, .centered = true}), optim::Adagrad()};
  for (const optim::Optimizer& fresh : all) {
    INFO(fresh.state().rule);
    optim::Optimizer through = fresh;
    Model model = make_model();
    train(through, model, 0, 3);
    through.set_learning_rate_factor(0.5);
    Model stopped = model;
    const optim::State saved = through.state();
    train(through, model, 3, 7);

    optim::Optimizer resumed = fresh;
    resumed.set_state(stopped, saved);
    CHECK(resumed.learning_rate_factor() == 0.5);
    train(resumed, stopped, 3, 7);
    CHECK(weights(stopped) == weights(model));
    CHECK(resumed.state().step == 7);
    CHECK(saved.step == 3);
  }
}

TEST_CASE("a state is a snapshot", "[optim][state]") {
  Model model = make_model();
  optim::Adam adam;
  adam.update(model, make_gradients(model, 1));
  const optim::State saved = adam.state();
  const auto moment = saved.parameters.at("output.bias").slots.at("first_moment").to_vector<double>();
  adam.update(model, make_gradients(model, 2));
  CHECK(saved.parameters.at("output.bias").slots.at("first_moment").to_vector<double>() == moment);
  CHECK(adam.state().parameters.at("output.bias").updates == 2);
}

TEST_CASE("a state that does not fit says all that differs and changes nothing", "[optim][state][error]") {
  Model model = make_model();
  optim::Adam adam;
  adam.update(model, make_gradients(model, 1));
  optim::State state = adam.state();
  state.step = -2;
  state.parameters["lost.kernel"] = state.parameters["hidden.kernel"];
  state.parameters["hidden.kernel"].slots["first_moment"] = wave_tensor({3, 2}, 0);
  state.parameters["hidden.bias"].slots["second_moment"] = wave_tensor<float>({3}, 0);
  state.parameters["output.kernel"].slots.erase("second_moment");
  state.parameters["output.bias"].slots["velocity"] = wave_tensor({3}, 0);
  CHECK_THROWS_WITH(
      adam.set_state(model, state),
      "adam: the state does not fit: it counts -2 steps; second_moment of \"hidden.bias\" is float32, the "
      "parameter float64; first_moment of \"hidden.kernel\" has shape [3, 2], the parameter [2, 3]; the "
      "model has "
      "no parameter \"lost.kernel\"; \"output.bias\" has a velocity that the optimiser with its options does "
      "not "
      "use; \"output.kernel\" lacks its second_moment");
  CHECK(adam.state().step == 1);
  CHECK(adam.state().parameters.size() == 4);

  optim::SGD sgd;
  CHECK_THROWS_WITH(sgd.set_state(model, adam.state()), "sgd: the state does not fit: it is of \"adam\"");
}

TEST_CASE("an Optimizer is a value", "[optim][optimizer]") {
  Model model = make_model();
  optim::Optimizer first = optim::Adam({.learning_rate = 0.5});
  first.update(model, make_gradients(model, 1));
  optim::Optimizer second = first;
  second.update(model, make_gradients(model, 2));
  CHECK(first.state().step == 1);
  CHECK(second.state().step == 2);
  CHECK(first.learning_rate() == 0.5);
  first = second;
  CHECK(first.state().step == 2);
}

TEST_CASE("an Optimizer made from a reference works on that object", "[optim][optimizer]") {
  Model model = make_model();
  optim::Adam adam;
  optim::Optimizer handle = std::ref(adam);
  const optim::Optimizer copy = handle;
  handle.update(model, make_gradients(model, 1));
  CHECK(adam.state().step == 1);
  CHECK(copy.state().step == 1);
}

TEST_CASE("a user's own rule is an Optimizer", "[optim][optimizer]") {
  Model model = make_model();
  const auto before = weights(model);
  optim::Optimizer optimizer = SignDescent{};
  optimizer.update(model, make_gradients(model, 1));
  CHECK(std::abs(weights(model)[0][0] - before[0][0]) == Approx(0.1));
  CHECK(optimizer.state().step == 1);
  CHECK_FALSE(optimizer.learning_rate().has_value());
  CHECK(optimizer.learning_rate_factor() == 1);
  CHECK_THROWS_AS(optimizer.set_learning_rate_factor(0.5), ValueError);
}

TEST_CASE("the learning rate factor scales every rate", "[optim][optimizer]") {
  Model model = make_model(), expected = model;
  optim::SGD sgd{{.learning_rate = 0.2, .groups = {{"output", {.learning_rate = 0.4}}}}};
  optim::SGD half{{.learning_rate = 0.1, .groups = {{"output", {.learning_rate = 0.2}}}}};
  sgd.set_learning_rate_factor(0.5);
  CHECK(sgd.learning_rate() == Approx(0.1));
  sgd.update(model, make_gradients(model, 1));
  half.update(expected, make_gradients(expected, 1));
  CHECK(weights(model) == weights(expected));
  CHECK_THROWS_AS(sgd.set_learning_rate_factor(-1), ValueError);
}

TEST_CASE("a weight average starts from the first weights and follows slowly", "[optim][average]") {
  Parameter weight(Tensor::from(std::vector<double>{1, 2}));
  const std::vector<nn::NamedParameter> model{{"weight", &weight}};
  optim::WeightAverage average{0.75};
  average.update(model);
  weight.mutable_value().mutable_span<double>()[0] = 5;
  average.update(model);
  CHECK(average.state().averages.at("weight").to_vector<double>() == std::vector<double>{2, 2});
  CHECK(average.state().step == 2);
  CHECK(weight.value().to_vector<double>() == std::vector<double>{5, 2});
}

TEST_CASE("a model uses the averages for a scope and has its weights back", "[optim][average]") {
  Model model = make_model();
  optim::WeightAverage average{0.5};
  optim::SGD sgd;
  average.update(model);
  const auto first = weights(model);
  sgd.update(model, make_gradients(model, 1));
  const auto last = weights(model);
  {
    auto averaged = average.use_in(model);
    CHECK(weights(model) == first);
  }
  CHECK(weights(model) == last);
  average.copy_to(model);
  CHECK(weights(model) == first);
}

TEST_CASE("a weight average goes on from its state", "[optim][average]") {
  Model model = make_model();
  optim::WeightAverage through{0.9}, resumed{0.9};
  optim::SGD sgd;
  for (int step = 0; step < 6; ++step) {
    if (step == 3) resumed.set_state(model, through.state());
    sgd.update(model, make_gradients(model, step));
    through.update(model);
    if (step >= 3) resumed.update(model);
  }
  CHECK(resumed.state().averages.at("output.kernel").to_vector<double>() ==
        through.state().averages.at("output.kernel").to_vector<double>());
}

TEST_CASE("averages of another model are an error", "[optim][average][error]") {
  Model narrow = make_model(3), wide = make_model(5);
  optim::WeightAverage average{0.9};
  CHECK_THROWS_AS(average.copy_to(narrow), ValueError);
  average.update(narrow);
  const auto before = weights(wide);
  CHECK_THROWS_AS(average.use_in(wide), ValueError);
  CHECK(weights(wide) == before);
  CHECK_THROWS_AS(optim::WeightAverage(1.5), ValueError);
}
