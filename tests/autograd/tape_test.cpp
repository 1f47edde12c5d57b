#include "rill/autograd/tape.h"

#include <chrono>
#include <cmath>
#include <functional>
#include <optional>
#include <thread>

#include "rill/autograd/check_finite.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/parameter.h"
#include "rill/autograd/record.h"
#include "rill/autograd/recording.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor number(double value) { return full({}, value, DType::float64); }

Parameter parameter(double value) { return Parameter(number(value)); }

}  // namespace

TEST_CASE("nothing is recorded without a tape", "[autograd][tape]") {
  CHECK_FALSE(is_recording());
  const Parameter w = parameter(3);
  const Tensor before = w * 2;
  Tape tape;
  CHECK(is_recording());
  CHECK(tape.size() == 0);
  CHECK_THROWS_AS(tape.gradient(before), ValueError);
  CHECK_THROWS_AS(tape.gradient(before, before), ValueError);
}

TEST_CASE("operations on constants are not recorded", "[autograd][tape]") {
  Tape tape;
  const Tensor y = number(2) * number(3) + 1;
  CHECK(y.item() == 7);
  CHECK(tape.size() == 0);
}

TEST_CASE("a tape gives the gradient of every parameter that was used", "[autograd][tape]") {
  const Parameter a = parameter(3), b = parameter(5), unused = parameter(7);
  Tape tape;
  const Tensor loss = a * a * b;
  const Gradients gradients = tape.gradient(loss);
  CHECK(gradients.size() == 2);
  CHECK(gradients[a].item() == 30);
  CHECK(gradients[b].item() == 9);
  CHECK_FALSE(gradients.contains(unused));
  CHECK_THROWS_AS(gradients[unused], ValueError);
}

TEST_CASE("a tape gives the gradient with respect to values in the middle", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(number(2));
  const Tensor middle = square(x);
  const Tensor last = middle * middle * x;
  const auto g = tape.gradient(last, {x, middle, last});
  CHECK(g[0].item() == 5 * 16);
  CHECK(g[1].item() == 2 * 4 * 2);
  CHECK(g[2].item() == 1);
}

TEST_CASE("a source that the target does not depend on has no gradient, not a zero", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(number(2)), apart = tape.watch(number(3));
  const Tensor y = square(x), later = square(y);
  CHECK_FALSE(tape.gradient(y, apart).defined());
  CHECK_FALSE(tape.gradient(y, later).defined());
  CHECK(tape.gradient(y, x).defined());
  CHECK_THROWS_WITH(tape.gradient(y, apart).item(), ContainsSubstring("does not depend on"));
}

TEST_CASE("sources that the tape never saw, losses of several elements and wrong cotangents are errors",
          "[autograd][tape][errors]") {
  Tape tape;
  const Tensor x = tape.watch(tensor({{1, 2}, {3, 4}}));
  const Tensor y = square(x);
  CHECK_THROWS_WITH(tape.gradient(sum(y), std::vector<Tensor>{x, number(1)}),
                    ContainsSubstring("source 1 was never seen by this tape; watch it"));
  CHECK_THROWS_WITH(tape.gradient(y, x),
                    ContainsSubstring("the loss has shape [2, 2]; take its sum or mean first"));
  CHECK_THROWS_WITH(tape.gradient({y, zeros({2})}, x),
                    ContainsSubstring("the cotangent has shape [2], the target [2, 2]"));
  CHECK_THROWS_WITH(tape.gradient({y, zeros({2, 2}, DType::float64)}, x),
                    ContainsSubstring("float64, the target float32"));
  CHECK_THROWS_WITH(tape.gradient(argmax(sum(x, 0), 0), x), ContainsSubstring("the target has dtype int64"));
  CHECK_THROWS_WITH(tape.watch(tensor({1, 2}, DType::int64)),
                    ContainsSubstring("watch: a tensor of int64 has no gradient"));
  CHECK_THROWS_WITH(tape.gradient(number(1)), ContainsSubstring("depends on no trainable parameter"));
}

TEST_CASE("one tape gives several gradients", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(number(3));
  const Tensor a = square(x), b = a * x;
  for (int i = 0; i < 2; ++i) {
    CHECK(tape.gradient(a, x).item() == 6);
    CHECK(tape.gradient(b, x).item() == 27);
  }
}

TEST_CASE("the gradients of several targets add up", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(tensor({1, 2}, DType::float64));
  const Tensor a = square(x), b = sum(a);
  const std::vector<Target> targets = {{a, tensor({10, 100}, DType::float64)}, b, x.count() == 2 ? b : a};
  const auto g = tape.gradient(targets, {x, a});
  CHECK(g[0].to_vector<double>() == std::vector<double>{24, 408});
  CHECK(g[1].to_vector<double>() == std::vector<double>{12, 102});
}

TEST_CASE("a target with a cotangent of its shape needs no sum", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(tensor({1, 2, 3}, DType::float64));
  const Tensor g = tape.gradient({square(x), tensor({1, 0, -1}, DType::float64)}, x);
  CHECK(g.to_vector<double>() == std::vector<double>{2, 0, -6});
}

TEST_CASE("nested tapes: the third derivative of a polynomial", "[autograd][tape][nested]") {
  Tape first;
  const Tensor x = first.watch(number(2));
  Tensor d1, d2;
  {
    Tape second;
    {
      Tape third;
      d1 = third.gradient(x * x * x * x, x);
    }
    d2 = second.gradient(d1, x);
  }
  CHECK(d1.item() == 32);
  CHECK(d2.item() == 48);
  CHECK(first.gradient(d2, x).item() == 48);
}

TEST_CASE("nested tapes: the third derivative of tanh", "[autograd][tape][nested]") {
  const double at = 0.3, t = std::tanh(at);
  Tape first;
  const Tensor x = first.watch(number(at));
  Tape second;
  Tape third;
  const Tensor d1 = third.gradient(tanh(x), x);
  const Tensor d2 = second.gradient(d1, x);
  const Tensor d3 = first.gradient(d2, x);
  CHECK(d1.item() == Approx(1 - t * t));
  CHECK(d2.item() == Approx(-2 * t * (1 - t * t)));
  CHECK(d3.item() == Approx((1 - t * t) * (6 * t * t - 2)));
}

TEST_CASE("derivatives of a function of functions: watched inside, linked outside",
          "[autograd][tape][nested]") {
  const auto derivative = [](auto f) {
    return [f](const Tensor& at) {
      Tape tape;
      const Tensor x = tape.watch(at);
      return tape.gradient(f(x), x);
    };
  };
  const auto cube = [](const Tensor& x) { return x * x * x; };
  CHECK(derivative(cube)(number(2)).item() == 12);
  CHECK(derivative(derivative(cube))(number(2)).item() == 12);
  CHECK(derivative(derivative(derivative(cube)))(number(2)).item() == 6);
}

TEST_CASE("an inner derivative does not see the outer use of the same value", "[autograd][tape][nested]") {
  // d/dx (x * d/dy (x * y) at y = x) = d/dx x^2
  Tape outer;
  const Tensor x = outer.watch(number(3));
  Tensor inner_derivative;
  {
    Tape inner;
    const Tensor y = inner.watch(x);
    inner_derivative = inner.gradient(x * y, y);
  }
  CHECK(inner_derivative.item() == 3);
  CHECK(outer.gradient(x * inner_derivative, x).item() == 6);
}

TEST_CASE("an inner tape differentiates what came after it, by sources from before",
          "[autograd][tape][nested]") {
  Tape outer;
  const Tensor x = outer.watch(number(2));
  const Tensor y = square(x);
  Tape inner;
  const Tensor z = y * y + x;
  const auto g = inner.gradient(z, {x, y});
  CHECK(g[0].item() == 1);
  CHECK(g[1].item() == 8);
  CHECK(outer.gradient(z, x).item() == 8 * 4 + 1);
  CHECK_FALSE(inner.gradient(y, x).defined());
}

TEST_CASE("an inner tape leaves the outer one's operations as they are", "[autograd][tape][nested]") {
  Tape outer;
  const Tensor x = outer.watch(number(2));
  const Tensor y = square(x);
  {
    Tape inner;
    CHECK(inner.size() == 0);
    inner.gradient(square(y), y);
  }
  CHECK(outer.gradient(y, x).item() == 4);
}

TEST_CASE("stop_gradient makes a constant", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(number(3));
  CHECK(tape.gradient(x * stop_gradient(x), x).item() == 3);
  CHECK_FALSE(tape.gradient(stop_gradient(x), x).defined());
}

TEST_CASE("on_gradient changes a gradient on its way back, at its place", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(number(3));
  const Tensor held = on_gradient(x, [](const Tensor& g) { return clamp(g, -1, 1); });
  CHECK(held.item() == 3);
  CHECK(tape.gradient(held * 5, x).item() == 1);
  CHECK(tape.gradient(held * 5, held).item() == 5);
  CHECK(tape.gradient(held * 5 + x * 7, x).item() == 8);
  int calls = 0;
  const Tensor seen = on_gradient(x, [&](const Tensor& g) {
    ++calls;
    return g;
  });
  tape.gradient(seen * seen, x);
  CHECK(calls == 1);
}

TEST_CASE("on_gradient is differentiated, too", "[autograd][tape][nested]") {
  Tape outer;
  const Tensor x = outer.watch(number(3));
  Tape inner;
  const Tensor scaled = on_gradient(x, [](const Tensor& g) { return g * 10; });
  const Tensor g = inner.gradient(scaled * scaled, x);
  CHECK(g.item() == 60);
  CHECK(outer.gradient(g, x).item() == 200);
}

TEST_CASE("nothing is recorded in the scope of PauseRecording", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(number(3));
  Tensor paused;
  {
    PauseRecording pause;
    CHECK_FALSE(is_recording());
    paused = square(x);
  }
  CHECK(is_recording());
  CHECK(tape.size() == 0);
  CHECK(tape.gradient(paused * x, x).item() == 9);
}

TEST_CASE("a value of a tape that has ended is a constant", "[autograd][tape]") {
  const Parameter w = parameter(2);
  Tensor carried;
  {
    Tape tape;
    carried = w * w;
  }
  Tape tape;
  const Tensor loss = carried * w;
  CHECK(tape.gradient(loss)[w].item() == 4);
  CHECK_THROWS_AS(tape.gradient(loss, carried), ValueError);
}

TEST_CASE("a frozen parameter is a constant", "[autograd][tape][parameter]") {
  Parameter frozen = parameter(2);
  const Parameter free = parameter(3);
  frozen.trainable = false;
  Tape tape;
  const Gradients gradients = tape.gradient(frozen * free);
  CHECK(gradients.size() == 1);
  CHECK(gradients[free].item() == 2);
}

TEST_CASE("a parameter used twice is one source", "[autograd][tape][parameter]") {
  const Parameter w = parameter(3);
  Tape tape;
  const Tensor a = w, b = w;
  const Tensor loss = a * b;
  CHECK(tape.gradient(loss)[w].item() == 6);
  CHECK(tape.gradient(loss, w).item() == 6);
}

TEST_CASE("copies of a parameter are independent", "[autograd][tape][parameter]") {
  const Parameter w = parameter(3);
  Parameter copy = w;
  CHECK(copy.id() != w.id());
  copy.mutable_value().mutable_span<double>()[0] = 5;
  CHECK(w.value().item() == 3);
  Tape tape;
  const Gradients gradients = tape.gradient(w * w * copy);
  CHECK(gradients[w].item() == 30);
  CHECK(gradients[copy].item() == 9);
}

TEST_CASE("a moved parameter keeps its identity", "[autograd][tape][parameter]") {
  Parameter w = parameter(3);
  const auto id = w.id();
  const Parameter moved = std::move(w);
  CHECK(moved.id() == id);
  CHECK(w.id() != id);  // NOLINT: what is left is a parameter of its own
}

TEST_CASE("a parameter updated while a tape lives", "[autograd][tape][parameter]") {
  Parameter w = parameter(3);
  Tape tape;
  const Tensor before = square(w);
  w.mutable_value().mutable_span<double>()[0] = 10;
  CHECK(before.item() == 9);
  CHECK(tape.gradient(before)[w].item() == 6);  // what the tape saved did not change
  const Tensor after = square(w);
  CHECK(after.item() == 100);
  CHECK(tape.gradient(after)[w].item() == 20);
}

TEST_CASE("a user's operation with a gradient of its own", "[autograd][record]") {
  // A step function with the gradient of the identity (Bengio et al. 2013, the straight-through estimator).
  const auto straight_through = [](const Tensor& x) {
    return record("straight_through", where(stop_gradient(x) > 0, 1, 0.0),
                  wrt(x, [](const Tensor& g) { return g; }));
  };
  Tape tape;
  const Tensor x = tape.watch(tensor({-1, 2}, DType::float64));
  const Tensor y = straight_through(x);
  CHECK(y.to_vector<double>() == std::vector<double>{0, 1});
  CHECK(tape.gradient(sum(y * tensor({3, 4}, DType::float64)), x).to_vector<double>() ==
        std::vector<double>{3, 4});
}

TEST_CASE("a rule that gives a wrong shape or dtype is named", "[autograd][record][errors]") {
  Tape tape;
  const Tensor x = tape.watch(tensor({1, 2, 3}));
  const Tensor shape = record("mine", x * 1, wrt(x, [](const Tensor& g) { return slice(g, 0, {0, 2}); }));
  CHECK_THROWS_WITH(
      tape.gradient(sum(shape), x),
      ContainsSubstring("mine: its rule gave a gradient of shape [2] for an input of shape [3]"));
  const Tensor dtype = record("mine", x * 1, wrt(x, [](const Tensor& g) { return cast(g, DType::float64); }));
  CHECK_THROWS_WITH(tape.gradient(sum(dtype), x),
                    ContainsSubstring("mine: its rule gave a gradient of float64 for an input of float32"));
}

TEST_CASE("a rule for several outputs and inputs, one of them a constant", "[autograd][record]") {
  Tape tape;
  const Tensor a = tape.watch(number(2)), constant = number(5), b = tape.watch(number(3));
  const std::vector<Tensor> inputs = {a, constant, b};
  std::vector<Tensor> outputs = {stop_gradient(a) * constant, stop_gradient(b) + stop_gradient(a)};
  record_joint("both", outputs, inputs, [constant](Backward& back) {
    CHECK_FALSE(back.wants(1));
    const Tensor& product = back.cotangent(0);
    const Tensor& sum = back.cotangent(1);
    if (product.defined()) back.give(0, product * constant);
    if (sum.defined()) {
      back.give(0, sum);
      back.give(2, sum);
    }
  });
  CHECK(tape.gradient(outputs[0] * outputs[1], a).item() == 5 * 5 + 10);
  CHECK(tape.gradient(outputs[0] * outputs[1], b).item() == 10);
  CHECK_FALSE(tape.gradient(outputs[0], b).defined());
}

TEST_CASE("a chain of 100,000 steps neither overflows the stack nor slows down", "[autograd][tape]") {
  const auto seconds = [](int steps) {
    const auto start = std::chrono::steady_clock::now();
    Tape tape;
    const Tensor x = tape.watch(number(1));
    Tensor y = x;
    for (int i = 0; i < steps; ++i) y = y + x;
    CHECK(tape.gradient(y, x).item() == steps + 1);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  seconds(1000);
  double ratio = 1e9;
  for (int attempt = 0; attempt < 3; ++attempt) ratio = std::min(ratio, seconds(100'000) / seconds(10'000));
  CHECK(ratio < 30);  // 10 in a quiet moment; a quadratic cost gives 100
}

TEST_CASE("two threads with tapes of their own", "[autograd][tape]") {
  const Parameter shared = parameter(2);
  const auto work = [&](double factor, std::vector<double>& results) {
    for (int i = 0; i < 200; ++i) {
      Tape tape;
      Tensor y = shared;
      for (int k = 0; k < 10; ++k) y = y * factor + shared;
      results.push_back(tape.gradient(y)[shared].item());
    }
  };
  std::vector<double> a, b;
  std::thread other([&] { work(1, b); });
  work(2, a);
  other.join();
  for (double g : a) CHECK(g == 2047);
  for (double g : b) CHECK(g == 11);
}

TEST_CASE("a value of another thread's tape is a constant", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(number(2));
  bool tracked = true;
  std::thread([&] {
    Tape own;
    tracked = detail::is_tracked(square(x));
  }).join();
  CHECK_FALSE(tracked);
}

TEST_CASE("gradients add up over batches and scale", "[autograd][gradients]") {
  const Parameter a = parameter(3), b = parameter(4);
  Gradients total;
  for (int i = 0; i < 2; ++i) {
    Tape tape;
    total += tape.gradient(i == 0 ? square(a) : a * b);
  }
  total *= 0.5;
  CHECK(total[a].item() == 5);
  CHECK(total[b].item() == 1.5);
}

TEST_CASE("braces are a list of sources, of any length", "[autograd][tape]") {
  const Parameter w = parameter(5);
  Tape tape;
  const Tensor x = tape.watch(number(3));
  const Tensor y = square(x) * w;
  const std::vector<Tensor> one = tape.gradient(y, {x});
  REQUIRE(one.size() == 1);
  CHECK(one[0].item() == 30);
  CHECK(tape.gradient(y, {x, w})[1].item() == 9);
  CHECK(tape.gradient(y, {w})[0].item() == 9);
  CHECK(tape.gradient(y, {}).empty());
  CHECK(tape.gradient(y, x).item() == 30);
  CHECK(tape.gradient({y, number(2)}, {x})[0].item() == 60);
}

TEST_CASE("the error of a gradient of a frozen model says that it is frozen", "[autograd][tape][errors]") {
  Parameter w = parameter(5), other = parameter(1);
  w.trainable = false;
  Tape tape;
  const Tensor y = square(w);
  CHECK_THROWS_WITH(tape.gradient(y),
                    ContainsSubstring("every parameter that was used since the tape began is frozen"));
  CHECK_THROWS_WITH(std::move(tape).gradient(y), ContainsSubstring("is frozen"));
  Tape inner;
  const Tensor z = square(other);
  CHECK_THROWS_WITH(inner.gradient(y), ContainsSubstring("was it computed after this tape began?"));
}

TEST_CASE("the functions of a tape throw on another thread", "[autograd][tape][errors]") {
  Tape tape;
  const Tensor x = tape.watch(number(3));
  const Tensor y = square(x);
  const auto on_another_thread = [](const std::function<void()>& f) {
    std::string text;
    std::thread([&] {
      try {
        f();
      } catch (const ValueError& error) {
        text = error.what();
      }
    }).join();
    return text;
  };
  CHECK(on_another_thread([&] { tape.gradient(y, x); }) ==
        "tape.gradient: this tape was made on another thread, which alone can use it");
  for (const std::function<void()>& f : std::vector<std::function<void()>>{
           [&] { tape.gradient(y); }, [&] { std::move(tape).gradient(y); },
           [&] { tape.all_gradients(y, {x}); }, [&] { tape.watch(x); }, [&] { tape.check_finite(); },
           [&] { tape.size(); }, [&] { tape.explain(); }, [&] { tape.graphviz(); }})
    CHECK_THAT(on_another_thread(f), ContainsSubstring("this tape was made on another thread"));
  CHECK(tape.gradient(y, x).item() == 6);
}

TEST_CASE("a tape that ends on another thread is over for the one that made it", "[autograd][tape]") {
  const Parameter w = parameter(5);
  std::optional<Tape> tape(std::in_place);
  const Tensor x = tape->watch(number(3));
  const Tensor y = square(x);
  SECTION("the only one") {
    std::thread([&] { tape.reset(); }).join();
    CHECK_FALSE(is_recording());
    CHECK_FALSE(detail::is_tracked(y));
    CHECK(square(w).item() == 25);
    CHECK(detail::this_thread().ops.size() == 1);  // nothing came to it
    Tape next;
    CHECK(next.size() == 0);
    CHECK(detail::this_thread().ops.empty());
    CHECK(next.gradient(square(w))[w].item() == 10);
  }
  SECTION("the outer one of two") {
    Tape inner;
    const Tensor z = y * w;
    std::thread([&] { tape.reset(); }).join();
    CHECK(is_recording());
    CHECK(inner.gradient(z * w)[w].item() == 90);
    CHECK(std::move(inner).gradient(z)[w].item() == 9);  // nothing records this sweep any more
  }
  SECTION("the inner one of two") {
    std::optional<Tape> inner(std::in_place);
    const Tensor z = y * w;
    std::thread([&] { inner.reset(); }).join();
    CHECK(tape->gradient(z, x).item() == 30);
    CHECK(detail::this_thread().tapes.size() == 1);
  }
  SECTION("after the thread that made it") {
    std::optional<Tape> other;
    Tensor made;
    std::thread([&] {
      other.emplace();
      made = square(other->watch(number(4)));
    }).join();
    other.reset();
    CHECK(made.item() == 16);
    CHECK(tape->gradient(y, x).item() == 6);
  }
  SECTION("while this one makes others") {
    std::thread ends([&] { tape.reset(); });
    for (int i = 0; i < 100; ++i) {
      Tape own;
      CHECK(own.gradient(square(w))[w].item() == 10);
    }
    ends.join();
    CHECK_FALSE(is_recording());
  }
  tape.reset();
  CHECK_FALSE(is_recording());
  CHECK_FALSE(detail::is_tracked(square(w)));
}

TEST_CASE("tapes may end in any order", "[autograd][tape][nested]") {
  const Parameter w = parameter(5);
  std::optional<Tape> outer(std::in_place), inner(std::in_place);
  const Tensor y = square(w);
  inner->check_finite();
  outer.reset();
  CHECK(is_recording());
  CHECK_THROWS_AS(log(w - w - 1), NonFiniteError);  // the inner one checks still
  CHECK(inner->gradient(y)[w].item() == 10);
  {
    Tape innermost;
    inner.reset();
    CHECK(innermost.gradient(log(w) * y)[w].item() == 5);
  }
  CHECK_FALSE(is_recording());
  CHECK(detail::this_thread().ops.empty());
}

TEST_CASE("a pause that ends on another thread is over", "[autograd][tape]") {
  std::optional<PauseRecording> pause(std::in_place);
  bool records = false;
  std::thread([&] {
    pause.reset();
    Tape own;
    records = is_recording();
  }).join();
  CHECK(records);
  Tape tape;
  CHECK(is_recording());
}
