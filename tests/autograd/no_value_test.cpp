// A tensor without a value, given where one is expected, is a ValueError that says where.

#include "rill/flow/length.h"
#include "rill/rill.h"
#include "rill/tensor/eigen.h"
#include "tests/autograd/operations.h"
#include "tests/catch.h"

using namespace rill;

namespace {

const Tensor none;

struct Call {
  const char* name;
  std::function<void()> act;
};

void check_all(const std::vector<Call>& calls) {
  for (const auto& [name, act] : calls) {
    CAPTURE(name);
    CHECK_THROWS_AS(act(), ValueError);
    Tape tape;  // what an operation checks must not depend on whether a tape records
    const Tensor kept = tape.watch(ones({2}));
    CHECK_THROWS_AS(act(), ValueError);
    CHECK(tape.gradient(sum(square(kept)), kept).to_vector<float>() == std::vector<float>{2, 2});
  }
}

Tensor labels() { return Tensor::from(std::vector<std::int64_t>{0, 1}); }

}  // namespace

TEST_CASE("every operation refuses each of its tensors where that holds no value",
          "[autograd][ops][errors]") {
  for (const auto& operation : test::operations()) {
    const auto& shapes = operation.shapes.front();
    for (std::size_t missing = 0; missing < shapes.size(); ++missing) {
      CAPTURE(operation.name, missing);
      std::vector<Tensor> inputs;
      for (const Shape& shape : shapes)
        inputs.push_back(test::input(shape, operation.low, operation.high, test::Layout::contiguous));
      inputs[missing] = none;
      CHECK_THROWS_AS(operation.f(inputs), ValueError);
      Tape tape;
      for (Tensor& x : inputs)
        if (x.defined()) x = tape.watch(x);
      CHECK_THROWS_AS(operation.f(inputs), ValueError);
    }
  }
}

TEST_CASE("the error names the operation and the argument", "[autograd][ops][errors]") {
  const Tensor x = ones({2, 2});
  for (const auto& [sentence, act] : std::vector<std::pair<const char*, std::function<void()>>>{
           {"add: argument 2:", [&] { x + none; }},
           {"exp: argument 1:", [&] { exp(none); }},
           {"where: argument 3:", [&] { where(x, x, none); }},
           {"sum: argument 1:", [&] { sum(none, 1); }},
           {"matmul: argument 2:", [&] { matmul(x, none); }},
           {"layer_norm_add: argument 4:", [&] { layer_norm_add(x, ones({2}), ones({2}), none); }},
           {"reshape: argument 1:", [&] { reshape(none, {4}); }},
           {"index_select: argument 2:", [&] { index_select(x, 0, none); }},
           {"concat: part 1 ", [&] { concat({x, none}); }},
           {"fused: argument 2:", [&] { fused([](auto a, auto b) { return a + b; }, x, none); }},
           {"m: argument 1:", [&] { record("m", none, wrt(x, [](const Tensor& g) { return g; })); }}})
    CHECK_THROWS_WITH(act(), ContainsSubstring(sentence));
}

TEST_CASE("arguments beside the differentiable ones are refused without a value, too",
          "[autograd][ops][errors]") {
  const Tensor x = ones({2, 2});
  check_all({{"where", [&] { where(none, x, x); }},
             {"index_select", [&] { index_select(x, 0, none); }},
             {"index_add",
              [&] {
                index_add(x, {2, 2}, 0, none);
              }},
             {"gather", [&] { gather(x, 0, none); }},
             {"scatter_add", [&] { scatter_add(x, 0, none, x); }},
             {"one_hot", [] { one_hot(none, 3); }},
             {"zeros_like", [] { zeros_like(none); }},
             {"ones_like", [] { ones_like(none); }},
             {"size", [] { none.size(0); }},
             {"item", [] { none.item(); }},
             {"span", [] { none.span<float>(); }},
             {"to_vector", [] { none.to_vector<float>(); }},
             {"mutable_span", [] { Tensor().mutable_span<float>(); }},
             {"as_eigen", [] { as_eigen<float>(none); }}});
}

TEST_CASE("tapes, rules and transforms refuse tensors without a value", "[autograd][errors]") {
  const Tensor x = ones({2});
  const Function nothing = [](const Tensor&) { return Tensor(); };
  const Function total = [](const Tensor& v) { return sum(square(v)); };
  Tape tape;
  const Tensor w = tape.watch(x);
  const Tensor loss = sum(square(w));
  check_all(
      {{"watch", [&] { tape.watch(none); }},
       {"gradient of none", [&] { tape.gradient(none, w); }},
       {"gradient of none for parameters", [&] { tape.gradient(none); }},
       {"gradient by none", [&] { tape.gradient(loss, none); }},
       {"gradient by several",
        [&] {
          tape.gradient(loss, std::vector<Tensor>{w, none});
        }},
       {"all_gradients", [&] { tape.all_gradients(loss, {none}); }},
       {"all_gradients of none", [&] { tape.all_gradients(none, {w}); }},
       {"grad", [&] { grad(total)(none); }},
       {"grad of nothing", [&] { grad(nothing)(x); }},
       {"vjp", [&] { vjp(total, none, Tensor(1.0)); }},
       {"jvp", [&] { jvp(total, x, none); }},
       {"jvp of nothing", [&] { jvp(nothing, x, x); }},
       {"jacobian", [&] { jacobian(total, none); }},
       {"jacobian of nothing", [&] { jacobian(nothing, x); }},
       {"hessian", [&] { hessian(total, none); }},
       {"hvp", [&] { hvp(total, x, none); }},
       {"gradcheck", [] { gradcheck([](const std::vector<Tensor>& all) { return all[0]; }, {none}); }},
       {"checkpoint of nothing",
        [&] { checkpoint([](const std::vector<Tensor>&) { return std::vector<Tensor>{none}; }, {w}); }},
       {"Parameter", [] { Parameter{Tensor()}; }},
       {"a parameter that was never set", [] { Parameter() * 2; }},
       {"per_example_gradients", [&] { per_example_gradients([](std::int64_t) { return Tensor(); }, 1); }}});
  CHECK(tape.gradient(loss, w).to_vector<float>() == std::vector<float>{2, 2});
}

TEST_CASE("an operation of the user's own is refused without a value before it is recorded",
          "[autograd][errors]") {
  Tape tape;
  const Tensor w = tape.watch(ones({2}));
  CHECK_THROWS_AS(record("m", none, wrt(w, Identity{})), ValueError);
  CHECK_THROWS_AS(record("m", ones({2}), wrt(none, Identity{})), ValueError);
  CHECK_THROWS_AS(record("m", none, std::vector<Tensor>{w}, std::vector{Identity{}}), ValueError);
  std::array<Tensor, 1> outputs;
  CHECK_THROWS_AS(record_joint("m", outputs, std::array{w}, [](Backward&) {}), ValueError);
  const std::size_t operations = tape.size();
  const Tensor y = on_gradient(w, [](const Tensor&) { return Tensor(); });
  CHECK(tape.size() == operations + 1);
  CHECK_THROWS_AS(tape.gradient(sum(y), w), ValueError);
  CHECK(tape.gradient(sum(square(w)), w).to_vector<float>() == std::vector<float>{2, 2});
}

TEST_CASE("layers, losses and instruments refuse tensors without a value", "[nn][errors]") {
  const Tensor x = ones({2, 3}), sequence = ones({2, 4, 3});
  const nn::LSTM lstm(3, 2);
  const nn::GRU gru(3, 2);
  nn::LayerNorm norm(3);
  check_all({{"Linear", [] { nn::Linear(3, 2)(none); }},
             {"LayerNorm", [&] { norm(none); }},
             {"Embedding", [] { nn::Embedding(3, 2)(none); }},
             {"Dropout", [] { nn::Dropout(0.5)(none); }},
             {"dropout by a mask", [&] { nn::dropout(x, none); }},
             {"activate", [] { nn::activate(none, nn::Activation::linear); }},
             {"LSTM", [&] { lstm(none); }},
             {"GRU", [&] { gru(none); }},
             {"an initial state",
              [&] {
                lstm(sequence, {.initial = {{none, none}}});
              }},
             {"trace", [&] { gru.trace(none); }},
             {"cross_entropy", [] { nn::cross_entropy(none, labels()); }},
             {"cross_entropy, labels", [&] { nn::cross_entropy(x, none); }},
             {"from probabilities", [&] { nn::cross_entropy_from_probabilities(x, none); }},
             {"mse", [&] { nn::mse(x, none); }},
             {"mae", [&] { nn::mae(none, x); }},
             {"huber", [&] { nn::huber(x, none); }},
             {"binary_cross_entropy", [&] { nn::binary_cross_entropy(none, x); }},
             {"accuracy", [&] { train::accuracy.total(none, labels()); }},
             {"confusion_matrix", [&] { train::confusion_matrix(x, none); }},
             {"Dataset", [&] { data::Dataset(x, none); }},
             {"Dataset, features", [&] { data::Dataset(none, x); }},
             {"state_jacobians", [&] { flow::state_jacobians(lstm, none); }},
             {"singular_values", [] { flow::singular_values(none); }},
             {"spectral_radii", [] { flow::spectral_radii(none); }},
             {"condition_numbers", [] { flow::condition_numbers(none); }},
             {"lyapunov_spectrum", [&] { flow::lyapunov_spectrum(lstm, none); }},
             {"fit_decay", [] { flow::fit_decay(none); }},
             {"norms_over_time", [] { flow::norms_over_time({none}); }},
             {"saturation", [] { flow::saturation({none}); }},
             {"histogram", [] { flow::histogram(none, 0, 1); }},
             {"length", [] { flow::length(none); }},
             {"update_ratio", [&] { flow::update_ratio(x, none); }}});
}

TEST_CASE("an optimiser refuses a gradient without a value and changes nothing", "[optim][errors]") {
  nn::Linear model(2, 1);
  const auto before = model.kernel.value().to_vector<float>();
  Gradients gradients;
  gradients.set(model.kernel.id(), none);
  optim::Adam adam;
  CHECK_THROWS_AS(adam.update(model, gradients), ValueError);
  CHECK_THROWS_AS(optim::clip_by_value(gradients, 1), ValueError);
  CHECK_THROWS_AS(optim::clip_by_norm(gradients, 1), ValueError);
  CHECK_THROWS_AS(optim::clip_by_global_norm(gradients, 1), ValueError);
  CHECK_THROWS_AS(optim::global_norm(gradients), ValueError);
  CHECK_THROWS_AS(gradients *= 2, ValueError);
  CHECK(model.kernel.value().to_vector<float>() == before);
}

TEST_CASE("an empty function is refused where one is given", "[autograd][errors]") {
  const Tensor x = ones({2});
  const std::function<Tensor(const Tensor&)> empty;
  check_all({{"grad", [] { grad(nullptr); }},
             {"value_and_grad", [&] { value_and_grad(empty, x); }},
             {"vjp", [&] { vjp(empty, x, x); }},
             {"jvp", [&] { jvp(empty, x, x); }},
             {"jacobian", [&] { jacobian(empty, x); }},
             {"hessian", [&] { hessian(empty, x); }},
             {"hvp", [&] { hvp(empty, x, x); }},
             {"per_example_gradients", [] { per_example_gradients(nullptr, 0); }},
             {"on_gradient", [&] { on_gradient(x, empty); }},
             {"OnParameterUse", [] { const OnParameterUse use(nullptr); }},
             {"gradcheck", [&] { gradcheck(nullptr, {x}); }},
             {"checkpoint", [&] { checkpoint(nullptr, {x}); }},
             {"Recurrent", [] { nn::Recurrent<nn::LSTMCell>({}, nullptr); }}});
  CHECK_THROWS_WITH(jacobian(empty, x), "jacobian: the function is empty; expected one that can be called");
}
