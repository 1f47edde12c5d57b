#include "rill/autograd/checkpoint.h"

#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/autograd/transforms.h"
#include "rill/nn/dropout.h"
#include "rill/nn/linear.h"
#include "rill/nn/state.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/precision.h"
#include "rill/tensor/random.h"
#include "rill/tensor/storage.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor random(const Shape& shape) { return uniform(shape, -1, 1, DType::float64); }

std::vector<double> numbers(const Tensor& x) { return x.to_vector<double>(); }

// Draws random numbers, as dropout does.
Tensor noisy(const Tensor& x) { return x * bernoulli(x.shape(), 0.5, DType::float64); }

}  // namespace

TEST_CASE("checkpoint gives the gradients of its inputs and of what it captured", "[autograd][checkpoint]") {
  Parameter used_before(random({4, 4})), used_inside(random({4, 4}));
  const Tensor x0 = random({3, 4});
  const auto run = [&](bool dropped) {
    Tape tape;
    const Tensor x = tape.watch(x0);
    const Tensor captured = tanh(matmul(x, used_before));
    const auto piece = [&](const std::vector<Tensor>& in) {
      const Tensor h = tanh(matmul(in[0], used_inside) + captured);
      return std::vector<Tensor>{h, matmul(h, used_inside)};
    };
    const auto y = dropped ? checkpoint(piece, {x}) : piece({x});
    const Tensor loss = sum(square(y[0])) + sum(y[1] * captured);
    const Gradients parameters = tape.gradient(loss);
    return std::vector{numbers(loss), numbers(tape.gradient(loss, x)), numbers(parameters[used_before]),
                       numbers(parameters[used_inside])};
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("checkpoint recomputes with the same random numbers", "[autograd][checkpoint]") {
  const Tensor x0 = random({50});
  const auto run = [&](bool dropped) {
    seed(7);
    Tape tape;
    const Tensor x = tape.watch(x0);
    const auto piece = [](const std::vector<Tensor>& in) {
      return std::vector<Tensor>{noisy(square(in[0]))};
    };
    const Tensor first = dropped ? checkpoint(piece, {x})[0] : piece({x})[0];
    const Tensor second = noisy(first);
    const auto gradient = numbers(tape.gradient(sum(second), x));
    return std::vector{numbers(second), gradient, numbers(noisy(x0))};
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("checkpoint can be differentiated twice and nested", "[autograd][checkpoint]") {
  const Function plain = [](const Tensor& x) { return sum(exp(sin(x)) * x); };
  const Function dropped = [](const Tensor& x) {
    return checkpoint(
        [](const std::vector<Tensor>& in) {
          const Tensor s = checkpoint(
              [](const std::vector<Tensor>& v) { return std::vector<Tensor>{exp(sin(v[0]))}; }, in)[0];
          return std::vector<Tensor>{sum(s * in[0])};
        },
        {x})[0];
  };
  const Tensor x = random({6}), v = random({6});
  CHECK(numbers(grad(dropped)(x)) == numbers(grad(plain)(x)));
  const auto a = numbers(hvp(dropped, x, v)), b = numbers(hvp(plain, x, v));
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-13));
}

TEST_CASE("what checkpoint recorded is dropped from the tape", "[autograd][checkpoint]") {
  Tape tape;
  Tensor x = tape.watch(random({4}));
  const auto long_piece = [](const std::vector<Tensor>& in) {
    Tensor y = in[0];
    for (int i = 0; i < 1000; ++i) y = sin(y);
    return std::vector<Tensor>{y};
  };
  const Tensor y = checkpoint(long_piece, {x})[0];
  CHECK(tape.size() == 1);
  CHECK(tape.gradient(sum(y), x).defined());
  CHECK(tape.size() == 2);
}

TEST_CASE("what checkpoint returns does not keep what it is a part of", "[autograd][checkpoint]") {
  const Tensor x0 = random({256, 64});
  Tape tape;
  const Tensor x = tape.watch(x0);
  const auto before = memory_statistics().in_use;
  const auto last_row = [](const std::vector<Tensor>& in) {
    return std::vector<Tensor>{slice(tanh(in[0]), 0, {255, 256})};
  };
  const auto y = checkpoint(last_row, {x});
  CHECK(memory_statistics().in_use - before < 256 * 64 * 8 / 8);
  CHECK(numbers(y[0]) == numbers(last_row({x0})[0]));
  const auto gradient = numbers(tape.gradient(sum(y[0]), x));
  CHECK(gradient.front() == 0);
  CHECK(gradient.back() == Approx(1 - std::pow(numbers(y[0]).back(), 2)));
}

TEST_CASE("without a tape checkpoint just calls its function", "[autograd][checkpoint]") {
  const Tensor x = random({3});
  CHECK(numbers(checkpoint([](const std::vector<Tensor>& in) { return std::vector<Tensor>{2 * in[0]}; },
                           {x})[0]) == numbers(2 * x));
}

TEST_CASE("checkpoint passes on the gradient of what its function returns as it came",
          "[autograd][checkpoint]") {
  const Tensor x = normal({2}, 0, 1, DType::float64);
  Tape tape;
  const Tensor a = tape.watch(x), b = tape.watch(x), captured = tape.watch(x);
  const auto y = checkpoint(
      [captured](const std::vector<Tensor>& in) {
        return std::vector<Tensor>{in[0], in[1] * 2, captured};
      },
      {a, b});
  const auto gradients = tape.gradient(sum(y[0] + y[1] + 3 * y[2]), {a, b, captured});
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(gradients[i].defined());
    CHECK(gradients[i].to_vector<double>() == std::vector<double>(2, static_cast<double>(i + 1)));
  }
}

TEST_CASE("checkpoint recomputes in the training mode of its call", "[autograd][checkpoint]") {
  const Function f = [](const Tensor& x) { return sum(nn::dropout(x, 0.5) * x); };
  for (const bool training : {false, true}) {
    const Tensor x0 = normal({8}, 0, 1, DType::float64);
    const auto gradient = [&](const Function& g) {
      seed(4);
      Tape tape;
      const Tensor x = tape.watch(x0);
      const Tensor loss = [&] {
        const nn::TrainingMode mode(training);
        return g(x);
      }();
      const nn::TrainingMode other(!training);
      return tape.gradient(loss, x).to_vector<double>();
    };
    const auto expected = gradient(f);
    CHECK(gradient([&](const Tensor& x) {
            return checkpoint([&](const std::vector<Tensor>& in) { return std::vector<Tensor>{f(in[0])}; },
                              {x})[0];
          }) == expected);
  }
}

namespace {

// What happens to a model between a computation and its gradient.
struct Change {
  const char* what;
  std::function<void(nn::Linear&)> make;
};

nn::Linear layer_of(double weight) {
  nn::Linear layer(1, 1, {.bias = false});
  layer.kernel = Parameter(full({1, 1}, weight, DType::float64));
  return layer;
}

}  // namespace

TEST_CASE("the gradient is that of what was computed, whatever happens to the model before it",
          "[autograd][checkpoint][parameter]") {
  const auto change = GENERATE(
      Change{"an update",
             [](nn::Linear& l) {
               l.kernel.trainable = true;
               Tape inner;
               optim::SGD{{.learning_rate = 1}}.update(
                   l, inner.gradient(sum(l(full({1, 1}, 1, DType::float64)))));
             }},
      Change{"a value that is assigned",
             [](nn::Linear& l) {
               l.kernel.mutable_value() = full({1, 1}, 2, DType::float64);
             }},
      Change{"a span", [](nn::Linear& l) { l.kernel.mutable_value().mutable_span<double>()[0] = 2; }},
      Change{"a state",
             [](nn::Linear& l) {
               nn::Linear other = layer_of(2);
               nn::load_state(l, nn::state(other));
             }},
      Change{"a model that is assigned", [](nn::Linear& l) { l = layer_of(2); }},
      Change{"another's weights", [&](nn::Linear& l) { l.kernel = layer_of(2).kernel; }},
      Change{"that it is frozen", [](nn::Linear& l) { l.kernel.trainable = false; }});
  const bool frozen = GENERATE(false, true), open = GENERATE(false, true),
             used_before = GENERATE(false, true);
  const int nested = GENERATE(0, 1, 2);
  CAPTURE(change.what, frozen, open, used_before, nested);
  nn::Linear layer = layer_of(3);
  layer.kernel.trainable = !frozen;
  if (open) layer.kernel.mutable_value().mutable_span<double>();
  Tape tape;
  const Tensor x = tape.watch(ones({1, 1}, DType::float64));
  if (used_before) layer(x);
  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> f = [&](const std::vector<Tensor>& in) {
    return std::vector{square(layer(in[0]))};
  };
  for (int i = 0; i < nested; ++i) f = [f = f](const std::vector<Tensor>& in) { return checkpoint(f, in); };
  const Tensor y = sum(f({x})[0]);
  const Tensor kernel = layer.kernel;  // as it is on the tape
  change.make(layer);
  const int times = GENERATE(1, 2);
  for (int i = 0; i < times; ++i) {
    CHECK(tape.gradient(y, x).item() == 18);  // d (3 x)^2 at 1
    if (!frozen) CHECK(tape.gradient(y, kernel).item() == 6);
  }
}

TEST_CASE("a function that checkpoint calls again finds its model where it was",
          "[autograd][checkpoint][parameter]") {
  std::vector<nn::Linear> layers{layer_of(3), layer_of(5)};
  Tape tape;
  const Tensor x = tape.watch(ones({1, 1}, DType::float64));
  const auto f = [&](const std::vector<Tensor>& in) {
    const nn::Linear own = layer_of(7);  // a parameter of the function's own
    return std::vector{square(layers[0](in[0])) * own(in[0])};
  };
  const Tensor y = sum(checkpoint(f, {x})[0]);
  SECTION("swapped") { std::swap(layers[0], layers[1]); }
  SECTION("moved elsewhere") { layers.reserve(100); }
  SECTION("erased") { layers.erase(layers.begin()); }
  CHECK(tape.gradient(y, x).item() == 189);  // d (3 x)^2 7 x at 1
}

TEST_CASE("a function that uses another model when checkpoint calls it again is an error",
          "[autograd][checkpoint][errors]") {
  auto layer = std::make_unique<nn::Linear>(layer_of(3));
  Tape tape;
  const Tensor x = tape.watch(ones({1, 1}, DType::float64));
  const Tensor y =
      checkpoint([&](const std::vector<Tensor>& in) { return std::vector{(*layer)(in[0])}; }, {x})[0];
  const auto kept = std::exchange(layer, std::make_unique<nn::Linear>(layer_of(2)));
  CHECK_THROWS_WITH(tape.gradient(sum(y), x),
                    ContainsSubstring("used a parameter that it had not used at first"));
}

TEST_CASE("checkpoint calls its function again under the precision and the use of parameters of its call",
          "[autograd][checkpoint]") {
  const Parameter w(full({1}, 3, DType::float64));
  Tape tape;
  const Tensor x = tape.watch(ones({1}, DType::float64));
  const auto f = [&](const std::vector<Tensor>& in) { return std::vector{square(in[0] * w)}; };
  Tensor plain, doubled;
  plain = sum(checkpoint(f, {x})[0]);
  {
    const OnParameterUse twice([](const Parameter&, const Tensor& value) { return value * 2; });
    doubled = sum(checkpoint(f, {x})[0]);
    CHECK(tape.gradient(plain, x).item() == 18);
  }
  CHECK(doubled.item() == 36);
  CHECK(tape.gradient(doubled, x).item() == 72);

  const Precision before = matmul_precision();
  std::vector<Precision> seen;
  const auto look = [&](const std::vector<Tensor>& in) {
    seen.push_back(matmul_precision());
    return std::vector{in[0] * in[0]};
  };
  const Tensor y = checkpoint(look, {x})[0];
  set_matmul_precision(before == Precision::float32 ? Precision::bfloat16 : Precision::float32);
  const Precision now = matmul_precision();
  tape.gradient(sum(y), x);
  CHECK(matmul_precision() == now);
  set_matmul_precision(before);
  CHECK(seen == std::vector{before, before});
}

TEST_CASE("a function that gives another number of tensors when it is called again is an error",
          "[autograd][checkpoint][errors]") {
  Tape tape;
  const Tensor x = tape.watch(random({2}));
  int calls = 0;
  const Tensor y = checkpoint(
      [&](const std::vector<Tensor>& in) {
        return std::vector<Tensor>(static_cast<std::size_t>(++calls), in[0] * 2);
      },
      {x})[0];
  const std::size_t size = tape.size();
  CHECK_THROWS_WITH(
      tape.gradient(sum(y), x),
      ContainsSubstring(
          "checkpoint: the function gave 1 tensors and, when it was called again for the gradient, 2"));
  CHECK(tape.size() == size + 1);  // of the sum
}
