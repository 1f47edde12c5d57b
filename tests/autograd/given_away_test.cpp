// std::move(tape).gradient(loss): the last gradient of a tape, which frees what the tape keeps as it goes and
// writes gradients over values that nobody else sees.

#include <functional>
#include <random>
#include <utility>

#include "rill/autograd/checkpoint.h"
#include "rill/autograd/fused.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/parameter.h"
#include "rill/autograd/record.h"
#include "rill/autograd/tape.h"
#include "rill/nn/gru.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/rnn.h"
#include "rill/tensor/create.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/precision.h"
#include "rill/tensor/random.h"
#include "rill/tensor/storage.h"
#include "tests/catch.h"

using namespace rill;

namespace {

using Values = std::vector<std::vector<double>>;

Values values_of(const Gradients& gradients, const std::vector<const Parameter*>& parameters) {
  Values values;
  for (const Parameter* p : parameters) values.push_back(gradients[*p].to_vector<double>());
  return values;
}

/// The gradients of loss(), from a tape that is kept and from one that is given away.
std::pair<Values, Values> both(const std::function<Tensor()>& loss,
                               const std::vector<const Parameter*>& parameters) {
  Values kept, given;
  {
    Tape tape;
    const Tensor y = loss();
    kept = values_of(tape.gradient(y), parameters);
  }
  {
    Tape tape;
    const Tensor y = loss();
    given = values_of(std::move(tape).gradient(y), parameters);
  }
  return {kept, given};
}

void check_same(const std::function<Tensor()>& loss, const std::vector<const Parameter*>& parameters) {
  const auto [kept, given] = both(loss, parameters);
  CHECK(kept == given);
}

Tensor some(const Shape& shape, std::uint64_t seed = 1, DType dtype = DType::float64) {
  return Generator(seed).uniform(shape, -1, 1, dtype);
}

const double* place_of(const Tensor& x) { return detail::TensorAccess::data<double>(x); }

/// square(x), whose rule writes the gradient to the destination and counts those that are x itself.
Tensor square_over(Tensor x, int& over) {
  std::vector<Tensor> outputs;
  {
    const PauseRecording pause;
    outputs = {x * x};
  }
  const std::vector<Tensor> inputs = {x};
  x = Tensor();
  struct Rule {
    std::vector<Tensor> inputs;
    int* over;
    void operator()(Backward& back) {
      const Tensor gradient = 2 * inputs[0] * back.cotangent(0);
      const Tensor target = back.destination(0, inputs[0]);
      if (!target.defined()) return back.give(0, gradient);
      *over += place_of(target) == place_of(inputs[0]);
      kernels::copy_into(gradient, target);
    }
  };
  record_joint("square_over", outputs, inputs, Rule{inputs, &over});
  return outputs[0];
}

}  // namespace

TEST_CASE("a tape that is given away gives its gradient once", "[autograd][tape]") {
  const Parameter p(some({3}));
  Tape tape;
  const Tensor loss = sum(square(p));
  CHECK(std::move(tape).gradient(loss)[p].to_vector<double>() == (2 * p.value()).to_vector<double>());
  const std::string message = "was given away";
  CHECK_THROWS_WITH(tape.gradient(loss), ContainsSubstring(message));
  CHECK_THROWS_AS(tape.gradient(loss), ValueError);
  CHECK_THROWS_WITH(tape.gradient(loss, loss), ContainsSubstring(message));
  CHECK_THROWS_WITH(tape.all_gradients(loss, {}), ContainsSubstring(message));
  CHECK_THROWS_WITH(std::move(tape).gradient(loss), ContainsSubstring(message));
  CHECK(tape.size() == 2);
  CHECK_FALSE(tape.explain().empty());
}

TEST_CASE("nothing is given away while an outer tape records", "[autograd][tape][nested]") {
  const Parameter p(full({}, 3, DType::float64));
  Tape outer;
  const Tensor x = p;
  Gradients first;
  {
    Tape inner;
    const Tensor y = x * x * x;
    first = std::move(inner).gradient(y);
    CHECK(inner.gradient(y, x).item() == 27);
  }
  CHECK(outer.gradient(first[p], x).item() == 18);
}

TEST_CASE("a tape that is given away frees what it keeps as the sweep goes", "[autograd][tape]") {
  const Parameter p(some({1 << 18}));  // 2 MiB
  const auto in_use_after = [&](bool gives_away) {
    Tape tape;
    const Tensor loss = [&] {
      Tensor y = p;
      for (int i = 0; i < 20; ++i) y = sin(y);
      return sum(y);
    }();
    const Gradients gradients = gives_away ? std::move(tape).gradient(loss) : tape.gradient(loss);
    return memory_statistics().in_use;
  };
  CHECK(in_use_after(false) - in_use_after(true) >= std::int64_t{19} << 21);
}

TEST_CASE("a gradient takes the place of a value that nobody else sees", "[autograd][tape]") {
  const Parameter p(some({4, 6}));
  const auto run = [&](const std::function<Tensor(Tensor whole, int& over)>& f) {
    int over = 0;
    check_same([&] { return f(p * 2.0, over); }, {&p});
    return over;
  };

  SECTION("parts of a value that is given away") {
    CHECK(run([&](Tensor whole, int& over) {
            auto parts = split<3>(std::move(whole));
            Tensor y = zeros({}, DType::float64);
            for (Tensor& part : parts) y = y + sum(square_over(std::move(part), over));
            return y;
          }) == 3);
  }
  SECTION("but not the parts of one that is kept") {
    CHECK(run([&](const Tensor& whole, int& over) {
            auto parts = split<3>(whole);
            Tensor y = sum(whole);
            for (Tensor& part : parts) y = y + sum(square_over(std::move(part), over));
            return y;
          }) == 0);
  }
  SECTION("nor a part that another operation reads") {
    CHECK(run([&](Tensor whole, int& over) {
            auto parts = split<3>(std::move(whole));
            const Tensor other = sum(square(parts[1]));
            Tensor y = zeros({}, DType::float64);
            for (Tensor& part : parts) y = y + sum(square_over(std::move(part), over));
            return y * other;
          }) <= 2);
  }
  SECTION("nor one that somebody holds, nor one seen through a view") {
    Tensor held, seen;
    CHECK(run([&](Tensor whole, int& over) {
            auto parts = split<3>(std::move(whole));
            held = parts[0];
            seen = select(parts[2], 0, 1);
            Tensor y = zeros({}, DType::float64);
            for (Tensor& part : parts) y = y + sum(square_over(std::move(part), over));
            return y;
          }) <= 1);
    const Tensor expected = p.value() * 2.0;
    CHECK(held.to_vector<double>() == split<3>(expected)[0].to_vector<double>());
    CHECK(seen.to_vector<double>() == select(split<3>(expected)[2], 0, 1).to_vector<double>());
  }
  SECTION("beside a part that somebody holds, whose gradient is zero or is not written by its rule") {
    Tensor held;
    const bool used = GENERATE(false, true);
    CHECK(run([&](Tensor whole, int& over) {
            auto parts = split<3>(std::move(whole));
            held = parts[0];
            const Tensor y = used ? sum(tanh(parts[0])) : zeros({}, DType::float64);
            return y + sum(square_over(std::move(parts[1]), over)) +
                   sum(square_over(std::move(parts[2]), over));
          }) == 2);
    CHECK(held.to_vector<double>() == split<3>(p.value() * 2.0)[0].to_vector<double>());
  }
  SECTION("steps of parts that were written over") {
    const Tensor h = some({2, 3}, 7), w = some({3, 4}, 8);
    CHECK(run([&](const Tensor& whole, int& over) {
            Tensor y = zeros({}, DType::float64);
            for (Tensor& step : unbind(reshape(whole, {3, 2, 4}) * 1.5))
              for (Tensor& part : split<2>(matmul_add(h, w, std::move(step))))
                y = y + sum(square_over(std::move(part), over));
            return y;
          }) == 6);
  }
  SECTION("under a check of finite values nothing changes") {
    int over = 0;
    Tape tape;
    tape.check_finite();
    Tensor y = zeros({}, DType::float64);
    for (Tensor& part : split<3>(p * 2.0)) y = y + sum(square_over(std::move(part), over));
    const Tensor gradient = std::move(tape).gradient(y)[p];
    CHECK(over == 0);
    CHECK(gradient.to_vector<double>() == (8 * p.value()).to_vector<double>());
  }
}

namespace {

// A graph of random choice, whose operations take values with them or leave them for others.
class RandomGraph {
 public:
  explicit RandomGraph(std::uint64_t seed) : random_(seed) {}

  Tensor operator()(const Tensor& x, const Tensor& weights) {
    wide_ = {x * 1.5, x + 0.5};  // [6, 2, 4]
    narrow_ = unbind(x * 0.5);   // [2, 4]
    for (int i = 0; i < 40; ++i) step(weights);
    Tensor total = sum(wide_.back()) + sum(weights);
    for (std::size_t i = 0; i < narrow_.size(); i += 1 + pick(3)) total = total + sum(square(narrow_[i]));
    return total;
  }

 private:
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  Tensor take(std::vector<Tensor>& from) {
    const std::size_t i = pick(from.size());
    if (from.size() < 3 || pick(3) == 0) return from[i];
    Tensor x = std::move(from[i]);
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(i));
    return x;
  }

  void step(const Tensor& weights) {
    switch (pick(7)) {
      case 0:
        for (Tensor& part : unbind(take(wide_))) narrow_.push_back(std::move(part));
        break;
      case 1:
        narrow_.push_back(matmul_add(take(narrow_), weights, take(narrow_)));
        break;
      case 2:
      case 3: {
        auto parts = split<2>(take(narrow_));
        if (pick(4) == 0) narrow_.push_back(concat(std::vector<Tensor>{tanh(parts[0]), parts[1]}, 1));
        auto [y, z] = fused([](auto a, auto b) { return std::tuple{a * sigmoid(b), a + tanh(b)}; }, parts);
        narrow_.push_back(concat(std::vector<Tensor>{y, z}, 1));
        break;
      }
      case 4:
        narrow_.push_back(take(narrow_) + take(narrow_));
        break;
      case 5:
        wide_.push_back(take(wide_) * 0.75);
        break;
      case 6: {
        std::vector<Tensor> rows;
        for (int i = 0; i < 6; ++i) rows.push_back(take(narrow_));
        wide_.push_back(stack(rows));
        break;
      }
    }
  }

  std::mt19937_64 random_;
  std::vector<Tensor> wide_, narrow_;
};

}  // namespace

TEST_CASE("whether a tape is given away or kept changes no gradient of random graphs", "[autograd][tape]") {
  const Parameter x(some({6, 2, 4}, 3)), w(0.5 * some({4, 4}, 4));
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    check_same([&] { return RandomGraph(seed)(x, w); }, {&x, &w});
  }
}

TEST_CASE("whether a tape is given away or kept changes no gradient of recurrent layers",
          "[autograd][tape][nn]") {
  const Tensor x = some({5, 9, 3}, 1, DType::float32);
  const auto check = [&](auto layer) {
    std::vector<const Parameter*> parameters;
    for (const auto& named : nn::parameters(layer)) parameters.push_back(named.parameter);
    check_same([&] { return sum(square(layer(x).outputs)) + sum(layer(x).last); }, parameters);
    check_same(
        [&] {
          return sum(checkpoint([&](const std::vector<Tensor>& in) { return std::vector{layer(in[0]).last}; },
                                {x})[0]);
        },
        parameters);
  };
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    set_matmul_precision(precision);
    for (const std::int64_t hidden : {3, 16, 256}) {
      CAPTURE(hidden, precision == Precision::bfloat16);
      check(nn::LSTM(3, hidden, {.layers = 2}));
      check(nn::LSTM(3, hidden, {.peephole = true, .projection = 2, .bidirectional = true}));
      check(nn::LSTM(3, hidden, {.layer_norm = true}));
      check(nn::GRU(3, hidden, {.layers = 2}));
      check(nn::GRU(3, hidden, {.reset_after = false}));
      check(nn::RNN(3, hidden, {}));
    }
  }
  set_matmul_precision(Precision::float32);
}
