#include "rill/nn/model.h"
#include "rill/autograd/tape.h"
#include "rill/nn/dropout.h"
#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/nn/lstm.h"
#include "rill/nn/state.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/golden.h"

using namespace rill;

namespace {

struct Classifier {
  nn::LSTM lstm{28, 256, {.activation = nn::Activation::relu}};
  nn::Dropout drop{0.2};
  nn::Linear output{256, 10};
  nn::Fields fields() { return {{"lstm", lstm}, {"drop", drop}, {"output", output}}; }
};

struct Small {
  nn::Linear a{2, 3};
  nn::Linear b{3, 1};
  nn::Fields fields() { return {{"a", a}, {"b", b}}; }
};

}  // namespace

TEST_CASE("a model's parameters have dotted names, in the order of its fields", "[nn][model]") {
  Classifier model;
  std::vector<std::string> names;
  for (const auto& [name, parameter] : nn::parameters(model)) names.push_back(name);
  CHECK(names == std::vector<std::string>{"lstm.input.kernel", "lstm.input.bias", "lstm.recurrent",
                                          "output.kernel", "output.bias"});
  CHECK(nn::count_parameters(model) == 4 * 256 * (28 + 256 + 1) + 257 * 10);
}

TEST_CASE("summary is a table of the layers, with totals", "[nn][model]") {
  Classifier model;
  nn::set_trainable(model.output, false);
  CHECK(nn::summary(model) ==
        R"(Layer (kind)     Parameters                                                         Param #
===========================================================================================
lstm (LSTM)      input.kernel [28, 1024], input.bias [1024], recurrent [256, 1024]  291,840
drop (Dropout)                                                                            0
output (Linear)  kernel [256, 10], bias [10]                                          2,570
===========================================================================================
Total params: 294,410
Trainable params: 291,840
Non-trainable params: 2,570
)");
}

TEST_CASE("a model that is constant can be looked at", "[nn][model]") {
  const Small model;
  CHECK(nn::summary(model) == nn::summary(const_cast<Small&>(model)));
  CHECK(nn::count_parameters(model) == 13);
  CHECK(nn::names(model).size() == 4);
  CHECK(nn::equal(model, model));
  CHECK(nn::state(model).size() == 4);
}

TEST_CASE("a state taken out comes back", "[nn][model]") {
  Small model;
  const nn::State before = nn::state(model);
  Small other = model;
  for (const auto& [name, parameter] : nn::parameters(model))
    parameter->mutable_value() = zeros(parameter->shape());
  CHECK_FALSE(nn::equal(model, other));
  nn::load_state(model, before);
  CHECK(nn::equal(model, other));
}

TEST_CASE("a state that does not fit changes nothing, and all that differs is listed",
          "[nn][model][errors]") {
  Small model;
  const Small before = model;
  nn::State state = nn::state(model);
  state[1].second = zeros({4});
  state[2].second = cast(state[2].second, DType::float64);
  state[3].first = "c.bias";
  CHECK_THROWS_WITH(nn::load_state(model, state),
                    "load_state: the weights do not fit the model:\n"
                    "  a.bias has shape [4], the model expects [3]\n"
                    "  b.kernel has dtype float64, the model expects float32\n"
                    "  b.bias is missing\n"
                    "  c.bias is not in the model");
  Small same = before;
  CHECK(nn::equal(model, same));
}

TEST_CASE("fields name the mistake in a model", "[nn][model][errors]") {
  Parameter p(zeros({2}));
  CHECK_THROWS_WITH((nn::Fields{{"a", p}, {"a", p}}), "fields: two fields are named \"a\"");
  CHECK_THROWS_WITH((nn::Fields{{"a.b", p}}),
                    "fields: \"a.b\" is no name for a field; it may not be empty nor hold a dot");
  CHECK_THROWS_WITH(nn::parameters(nn::Fields{{"a", p}, {"b", p}}),
                    "fields: the parameter \"b\" stands at two places of the model; name it once");
}

TEST_CASE("frozen parameters are constants, and conversion keeps values", "[nn][model]") {
  Small model;
  nn::set_trainable(model.a, false);
  const Tensor x = uniform({4, 2});
  {
    Tape tape;
    const Gradients gradients = tape.gradient(sum(model.b(model.a(x))));
    CHECK(gradients.size() == 2);
    CHECK_FALSE(gradients.contains(model.a.kernel));
  }
  const Tensor single = model.a(x);
  nn::to(model, DType::float64);
  CHECK(model.a.kernel.dtype() == DType::float64);
  CHECK(golden::difference(cast(model.a(cast(x, DType::float64)), DType::float32), single) < 1e-6);
  CHECK_THROWS_WITH(nn::to(model, DType::int64), "to: parameters cannot be int64");
}
