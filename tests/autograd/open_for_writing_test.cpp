#include <cmath>
#include <memory>
#include <numeric>
#include <thread>

#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/autograd/transforms.h"
#include "rill/data/dataset.h"
#include "rill/nn/linear.h"
#include "rill/nn/model.h"
#include "rill/nn/state.h"
#include "rill/optim/adam.h"
#include "rill/optim/average.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/eigen.h"
#include "tests/catch.h"

using namespace rill;

namespace {

std::vector<double> numbers(const Tensor& x) { return x.to_vector<double>(); }

Tensor column(std::vector<double> values) { return Tensor::from(values); }

Tensor filled_by_span(double value) {
  Tensor x = Tensor::empty({2}, DType::float64);
  for (double& element : x.mutable_span<double>()) element = value;
  return x;
}

}  // namespace

TEST_CASE("a span that is written to later changes no copy of the tensor", "[tensor][span]") {
  Tensor x = column({1, 2, 3, 4});
  const auto span = x.mutable_span<double>();
  span[0] = 5;
  const Tensor copy = x;
  Tensor assigned;
  assigned = x;
  const std::vector<Tensor> list{x, x};
  const Tensor copy_of_copy = copy;
  span[0] = 6;
  CHECK(x.span<double>()[0] == 6);
  for (const Tensor& other : {copy, assigned, list[0], list[1], copy_of_copy})
    CHECK(numbers(other) == std::vector<double>{5, 2, 3, 4});
}

TEST_CASE("a span that is written to later changes no view of the tensor", "[tensor][span]") {
  Tensor x = column({1, 2, 3, 4});
  const auto span = x.mutable_span<double>();
  const Tensor slice_of_x = slice(x, 0, {1, 3}), step = slice(x, 0, {1, 4, 2}), element = select(x, 0, 3);
  const Tensor square_of_x = reshape(x, {2, 2}), row = unsqueeze(x, 0), rows = expand(x, {2, 4});
  const Tensor turned = transpose(reshape(x, {2, 2}), 0, 1), same = contiguous(x),
               cast_of_x = cast(x, x.dtype());
  const std::vector<Tensor> steps = unbind(x), halves = split(x, {1, 3}, 0);
  for (double& value : span) value = -1;
  CHECK(numbers(slice_of_x) == std::vector<double>{2, 3});
  CHECK(numbers(step) == std::vector<double>{2, 4});
  CHECK(element.item() == 4);
  CHECK(numbers(square_of_x) == std::vector<double>{1, 2, 3, 4});
  CHECK(numbers(row) == std::vector<double>{1, 2, 3, 4});
  CHECK(numbers(rows) == std::vector<double>{1, 2, 3, 4, 1, 2, 3, 4});
  CHECK(numbers(turned) == std::vector<double>{1, 3, 2, 4});
  CHECK(numbers(same) == std::vector<double>{1, 2, 3, 4});
  CHECK(numbers(cast_of_x) == std::vector<double>{1, 2, 3, 4});
  CHECK(steps[2].item() == 3);
  CHECK(numbers(halves[1]) == std::vector<double>{2, 3, 4});
  CHECK(numbers(x) == std::vector<double>{-1, -1, -1, -1});
}

TEST_CASE("two spans of one tensor are of the same elements, and a moved tensor keeps them",
          "[tensor][span]") {
  Tensor x = column({1, 2});
  const auto first = x.mutable_span<double>(), second = x.mutable_span<double>();
  CHECK(first.data() == second.data());
  first[0] = 3;
  second[1] = 4;
  Tensor moved = std::move(x);
  const Tensor copy = moved;
  first[1] = 5;
  CHECK(numbers(moved) == std::vector<double>{3, 5});
  CHECK(numbers(copy) == std::vector<double>{3, 4});
}

TEST_CASE("a copy assigned to itself ends what its span can change", "[tensor][span]") {
  Tensor x = filled_by_span(1);
  x = Tensor(x);
  const Tensor copy = x;
  CHECK(copy.span<double>().data() == x.span<double>().data());  // shared again
}

TEST_CASE("the state of a model and a copy of it keep what a span changes later", "[nn][state][span]") {
  nn::Linear layer(1, 1);
  const auto weight = layer.kernel.mutable_value().mutable_span<float>();
  weight[0] = 5;
  const nn::State state = nn::state(layer);
  const nn::Linear copy = layer;
  nn::Linear assigned(1, 1);
  assigned = layer;
  weight[0] = 6;
  CHECK(layer.kernel.value().item() == 6);
  CHECK(state[0].second.item() == 5);
  CHECK(copy.kernel.value().item() == 5);
  CHECK(assigned.kernel.value().item() == 5);
  nn::load_state(layer, state);
  CHECK(layer.kernel.value().item() == 5);
}

TEST_CASE("a model that was loaded from tensors with a span keeps what it was given", "[nn][state][span]") {
  nn::Linear layer(1, 1);
  nn::State state = nn::state(layer);
  const auto value = state[0].second.mutable_span<float>();
  value[0] = 7;
  nn::load_state(layer, state);
  value[0] = 8;
  CHECK(layer.kernel.value().item() == 7);
}

TEST_CASE("a dataset keeps its samples", "[data][span]") {
  Tensor features = column({1, 2, 3}), targets = column({4, 5, 6});
  const auto x = features.mutable_span<double>(), y = targets.mutable_span<double>();
  const data::Dataset dataset(reshape(features, {3, 1}), targets), direct(targets, targets);
  x[0] = 10;
  y[0] = 10;
  CHECK(dataset[0].features.item() == 1);
  CHECK(dataset[0].targets.item() == 4);
  CHECK(direct[0].features.item() == 4);
}

TEST_CASE("a batch shares its elements with its copies", "[data][span]") {
  const data::Dataset dataset(zeros({3, 2}), zeros({3}));
  const Tensor batch = dataset.rows(0, 2).features, copy = batch;
  CHECK(copy.span<float>().data() == batch.span<float>().data());
}

TEST_CASE("what a span changes between the operations and the gradient is not seen by the tape",
          "[autograd][tape][span]") {
  Tensor x = column({3});
  const auto span = x.mutable_span<double>();
  SECTION("a watched tensor") {
    Tape tape;
    const Tensor watched = tape.watch(x);
    const Tensor y = square(watched);
    span[0] = 100;
    CHECK(tape.gradient(sum(y), watched).item() == 6);
  }
  SECTION("a constant that rules keep") {
    Tape tape;
    const Tensor watched = tape.watch(column({2}));
    const Tensor y =
        watched * x + matmul(reshape(watched, {1, 1}), reshape(x, {1, 1})) + where(x > 0, watched, 0.0);
    span[0] = -100;
    CHECK(tape.gradient(sum(y), watched).item() == 7);
  }
  SECTION("a parameter") {
    Parameter w(std::move(x));
    Tape tape;
    const Tensor y = square(w);
    span[0] = 100;
    CHECK(tape.gradient(sum(y))[w].item() == 6);
  }
  SECTION("a cotangent") {
    Tape tape;
    const Tensor watched = tape.watch(column({2}));
    const Target target(square(watched), x);
    span[0] = 100;
    CHECK(tape.gradient(target, watched).item() == 12);
  }
}

TEST_CASE("a parameter that a span may change is one source as long as it is not changed",
          "[autograd][tape][parameter][span]") {
  Parameter w(column({3}));
  const auto span = w.mutable_value().mutable_span<double>();
  Tape tape;
  const Tensor y = w * w * w;
  CHECK(tape.gradient(sum(y))[w].item() == 27);
  CHECK(tape.gradient(sum(y), w).item() == 27);
  span[0] = 10;
  const Tensor after = square(w);
  CHECK(after.item() == 100);
  CHECK(tape.gradient(sum(after))[w].item() == 20);
}

TEST_CASE("a weight that a span may change is multiplied by as it is", "[nn][span]") {
  nn::Linear layer(64, 64);
  const Tensor x = ones({3, 64});
  const auto weight = layer.kernel.mutable_value().mutable_span<float>();
  for (float value : {1.0F, 2.0F, 3.0F}) {
    std::fill(weight.begin(), weight.end(), value);
    CHECK(layer(x).to_vector<float>()[0] == 64 * value);
    Tape tape;
    CHECK(tape.gradient(sum(layer(tape.watch(x))))[layer.kernel].to_vector<float>()[0] == 3);
  }
}

TEST_CASE("a span stays good when an optimiser updates the tensor, and changes nothing that was copied",
          "[optim][span]") {
  const auto check = [](auto rule) {
    Parameter w(column({3, 4}));
    const std::vector<nn::NamedParameter> model{{"w", &w}};
    const auto span = w.mutable_value().mutable_span<double>();
    for (int step = 0; step < 2; ++step) {
      Tape tape;
      rule.update(model, std::move(tape).gradient(sum(square(w))));
    }
    CHECK(span[0] == w.value().span<double>()[0]);
    const std::vector<double> updated(span.begin(), span.end());
    CHECK(updated[0] < 3);
    const Tensor kept = w.value();
    const auto state = rule.state();
    span[0] = -7;
    CHECK(w.value().span<double>()[0] == -7);
    CHECK(numbers(kept) == updated);
    Tape tape;
    CHECK(std::move(tape).gradient(sum(square(w)))[w].template span<double>()[0] == -14);
  };
  check(optim::SGD{{.learning_rate = 0.1, .momentum = 0.5}});
  check(optim::Adam{{.learning_rate = 0.1}});
}

TEST_CASE("an average of weights keeps what a span changes later", "[optim][average][span]") {
  Parameter w(column({1}));
  const std::vector<nn::NamedParameter> model{{"w", &w}};
  optim::WeightAverage average{0.5};
  const auto span = w.mutable_value().mutable_span<double>();
  average.update(model);
  span[0] = 3;
  average.update(model);
  span[0] = 100;
  CHECK(average.state().averages.at("w").item() == 2);
  auto state = average.state();
  const auto saved = state.averages.at("w").mutable_span<double>();
  average.set_state(model, state);
  saved[0] = 50;
  CHECK(average.state().averages.at("w").item() == 2);
}

TEST_CASE("a user's operation may fill its result, and its gradient, by a span", "[autograd][record][span]") {
  const auto twice = [](const Tensor& x) {
    Tensor y = Tensor::empty(x.shape(), x.dtype());
    const auto out = y.mutable_span<double>();
    const auto in = x.span<double>();
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = 2 * in[i];
    return record("twice", std::move(y), wrt(x, [](const Tensor& g) {
                    Tensor slope = Tensor::empty(g.shape(), g.dtype());
                    const auto to = slope.mutable_span<double>();
                    for (double& value : to) value = 2;
                    return slope;
                  }));
  };
  Tape tape;
  const Tensor x = tape.watch(column({1, 2, 3}));
  const Tensor y = twice(x);
  const Tensor copy = y;  // on the tape like y itself
  CHECK(numbers(tape.gradient(sum(copy), x)) == std::vector<double>{2, 2, 2});
  CHECK(numbers(tape.gradient(sum(slice(copy, 0, {0, 2})), x)) == std::vector<double>{2, 2, 2});
  // Gradients of slices are written into the one that came first.
  const Tensor both = sum(slice(x, 0, {0, 1})) + sum(twice(x)) + sum(slice(x, 0, {1, 2}));
  CHECK(numbers(tape.gradient(both, x)) == std::vector<double>{3, 3, 2});
}

TEST_CASE("gradients with a span add up", "[autograd][gradients][span]") {
  const Parameter w(column({3, 4}));
  const auto gradients = [&] {
    Tape tape;
    return tape.gradient(sum(square(w)));
  };
  Gradients total = gradients();
  const auto span = total[w].mutable_span<double>();
  span[0] = 1;
  const Gradients copy = total;
  total += gradients();
  CHECK(span[0] == 7);
  CHECK(numbers(total[w]) == std::vector<double>{7, 16});
  CHECK(numbers(copy[w]) == std::vector<double>{1, 8});
}

TEST_CASE("what is given away while a span may change it is not written over", "[autograd][matmul][span]") {
  const Tensor a = reshape(column({1, 2, 3, 4}), {2, 2}), b = a;
  Tensor c = zeros({2, 2}, DType::float64);
  const auto span = c.mutable_span<double>();
  const Tensor y = matmul_add(a, b, std::move(c));
  CHECK(y.span<double>().data() != span.data());
  CHECK(numbers(y) == std::vector<double>{7, 10, 15, 22});
}

TEST_CASE("a matrix from Eigen shares its elements with its copies", "[tensor][eigen][span]") {
  const Tensor x = from_eigen(EigenMatrix<double>::Identity(2, 2)), copy = x;
  CHECK(copy.span<double>().data() == x.span<double>().data());
}
