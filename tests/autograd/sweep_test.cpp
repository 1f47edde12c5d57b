// What the reverse sweep does behind the rules: writing the gradients of parts in place, and gathering the
// products of a weight that is used several times.

#include <random>
#include <utility>

#include "rill/autograd/fused.h"
#include "rill/autograd/gradcheck.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/parameter.h"
#include "rill/autograd/record.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/create.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor some(const Shape& shape, std::uint64_t seed = 1) {
  return Generator(seed).uniform(shape, -1, 1, DType::float64);
}

using Function = std::function<Tensor(const Tensor&)>;

void check(const Function& f, const Shape& shape) {
  const auto on_list = [&](const std::vector<Tensor>& x) { return f(x[0]); };
  const auto first = gradcheck(on_list, {some(shape)});
  INFO(first.message);
  CHECK(first.passed);
  const auto second = gradgradcheck(on_list, {some(shape)});
  INFO(second.message);
  CHECK(second.passed);
}

}  // namespace

TEST_CASE("slices that overlap", "[autograd][sweep]") {
  check(
      [](const Tensor& x) {
        return square(slice(x, 0, {0, 3})) * slice(x, 0, {1, 4}) * slice(x, 0, {2, 5});
      },
      {5, 2});
}

TEST_CASE("slices that leave a gap", "[autograd][sweep]") {
  check([](const Tensor& x) { return square(slice(x, 0, {1, 2})) * slice(x, 0, {4, 5}); }, {6, 2});
  Tape tape;
  const Tensor x = tape.watch(some({6, 2}));
  const Tensor g = tape.gradient(sum(slice(x, 0, {4, 5})) + sum(slice(x, 0, {1, 2})), x);
  CHECK(sum(g, 1).to_vector<double>() == std::vector<double>{0, 2, 0, 0, 2, 0});
}

TEST_CASE("slices within one another, in both orders", "[autograd][sweep]") {
  check([](const Tensor& x) { return sum(square(slice(x, 0, {0, 5}))) * sum(slice(x, 0, {1, 3})); }, {6});
  check([](const Tensor& x) { return sum(square(slice(x, 0, {1, 3}))) * sum(slice(x, 0, {0, 5})); }, {6});
}

TEST_CASE("slices along different axes of one tensor", "[autograd][sweep]") {
  check([](const Tensor& x) { return matmul(square(slice(x, 0, {1, 3})), slice(x, 1, {0, 2})); }, {3, 3});
  check([](const Tensor& x) { return select(x, 0, 1) * select(x, 1, 1) * select(x, 0, -1); }, {3, 3});
}

TEST_CASE("slices with steps, forwards and backwards", "[autograd][sweep]") {
  check([](const Tensor& x) { return slice(x, 0, {.step = 2}) * slice(x, 0, {.start = 1, .step = 2}); }, {6});
  check([](const Tensor& x) { return slice(x, 0, {.step = -1}) * square(x); }, {5});
  check(
      [](const Tensor& x) {
        return sum(slice(x, 0, {0, 2})) * slice(x, 0, {.start = 5, .step = -3});
      },
      {6});
}

TEST_CASE("the parts and the whole", "[autograd][sweep]") {
  check(
      [](const Tensor& x) {
        Tensor y = sum(square(x));
        for (const Tensor& part : unbind(x)) y = y * sum(part) + sum(square(part));
        return y + sum(x * x * x);
      },
      {3, 2});
  check([](const Tensor& x) { return slice(x, 0, {0, 2}) * sum(x); }, {4});
  check([](const Tensor& x) { return sum(x) * slice(x, 0, {0, 2}); }, {4});
}

TEST_CASE("slices of slices", "[autograd][sweep]") {
  check(
      [](const Tensor& x) {
        const Tensor inner = slice(x, 0, {1, 5});
        return slice(inner, 0, {0, 2}) * slice(inner, 0, {2, 4}) *
               select(select(slice(x, 1, {1, 3}), 0, 2), 0, 1);
      },
      {6, 3});
}

TEST_CASE("a recurrence over unbound steps", "[autograd][sweep]") {
  check(
      [](const Tensor& x) {
        Tensor h = zeros({2}, DType::float64);
        for (const Tensor& step : unbind(x)) h = tanh(h * step + step);
        return h;
      },
      {5, 2});
}

namespace {

/// square(x) with a joint rule that writes its gradient in place where it may.
Tensor square_in_place(const Tensor& x, int* in_place = nullptr) {
  std::vector<Tensor> outputs = {square(stop_gradient(x))};
  record_joint("square_in_place", outputs, std::vector<Tensor>{x}, [x, in_place](Backward& back) {
    const Tensor gradient = 2 * x * back.cotangent(0);
    const Tensor target = back.destination(0);
    if (!target.defined()) return back.give(0, gradient);
    kernels::copy_into(gradient, target);
    if (in_place) ++*in_place;
  });
  return outputs[0];
}

}  // namespace

TEST_CASE("joint rules write the gradients of parts in place", "[autograd][sweep]") {
  check([](const Tensor& x) { return square_in_place(select(x, 0, 1)) * square_in_place(select(x, 0, 0)); },
        {3, 2});
  check([](const Tensor& x) { return square_in_place(slice(x, 1, {1, 3})) * sum(x); }, {2, 3});
  check([](const Tensor& x) { return sum(x) * square_in_place(slice(x, 1, {1, 3})); }, {2, 3});
  check(
      [](const Tensor& x) {
        return square_in_place(slice(x, 0, {0, 2})) * square_in_place(slice(x, 0, {1, 3}));
      },
      {3, 2});
  check([](const Tensor& x) { return square_in_place(slice(x, 0, {.step = -2})) * sum(square(x)); }, {3, 2});
  check(
      [](const Tensor& x) {
        const Tensor part = select(x, 0, 1);  // used twice
        return square_in_place(part) * square_in_place(part) * part * select(x, 0, 1);
      },
      {3, 2});

  int in_place = 0;
  Tape tape;
  const Tensor x = tape.watch(some({4, 2}));
  Tensor total = zeros({2}, DType::float64);
  for (const Tensor& part : unbind(x)) total += square_in_place(part, &in_place);
  const Tensor g = tape.gradient(sum(total), x);
  CHECK(in_place == 4);
  CHECK(norm(g - 2 * x).item() < 1e-15);
}

TEST_CASE("a part that is asked for itself is not written in place", "[autograd][sweep]") {
  int in_place = 0;
  Tape tape;
  const Tensor x = tape.watch(some({4, 2}));
  const Tensor part = select(x, 0, 2);
  const auto g = tape.gradient(sum(square_in_place(part, &in_place)), {x, part});
  CHECK(in_place == 0);
  CHECK(norm(g[1] - 2 * part).item() < 1e-15);
  CHECK(norm(select(g[0], 0, 2) - g[1]).item() == 0);
}

TEST_CASE("the gradient of a part is added while a rule still holds a view of the whole's",
          "[autograd][sweep]") {
  // The cotangent of `x` begins as a view of that of its transpose, which is a source and must not change.
  Tape tape;
  const Tensor x = tape.watch(some({2, 2}));
  const Tensor part = slice(x, 0, {0, 1});
  const Tensor turned = transpose(x);
  const auto g = tape.gradient(sum(turned * 3) + sum(part * 10), {x, turned});
  CHECK(g[0].to_vector<double>() == std::vector<double>{13, 13, 3, 3});
  CHECK(g[1].to_vector<double>() == std::vector<double>{3, 3, 3, 3});
}

TEST_CASE("an expanded gradient is not added to in place", "[autograd][sweep]") {
  Tape tape;
  const Tensor x = tape.watch(some({3}));
  const Tensor y = x * 1;
  const auto g = tape.gradient(sum(y * tensor({1, 2, 3}, DType::float64)) + sum(y), {x, y});
  CHECK(g[0].to_vector<double>() == std::vector<double>{2, 3, 4});
  CHECK(g[1].to_vector<double>() == std::vector<double>{2, 3, 4});
  const Tensor parts = tape.gradient(sum(slice(y, 0, {0, 1})) + sum(y), y);
  CHECK(parts.to_vector<double>() == std::vector<double>{2, 1, 1});
}

TEST_CASE("a gradient given to two inputs is not shared between them", "[autograd][sweep]") {
  Tape tape;
  const Tensor a = tape.watch(some({3})), b = tape.watch(some({3}));
  const Tensor c = a + b;
  const auto g = tape.gradient(sum(c * 2) + sum(a * 3), {a, b, c});
  CHECK(g[0].to_vector<double>() == std::vector<double>{5, 5, 5});
  CHECK(g[1].to_vector<double>() == std::vector<double>{2, 2, 2});
  CHECK(g[2].to_vector<double>() == std::vector<double>{2, 2, 2});
}

TEST_CASE("the gathered products of a weight equal separate ones", "[autograd][sweep]") {
  const Parameter weight(some({4, 4}));
  const std::vector<Tensor> rows = {some({3, 4}, 2), some({1, 4}, 3), some({2, 5, 4}, 4)};
  const auto loss = [&](const Tensor& a, const Tensor& b, const Tensor& c) {
    const Tensor twice = matmul(tanh(matmul(rows[0], a)), a);
    return sum(square(twice)) + sum(square(matmul_add(rows[1], b, 1))) + sum(tanh(matmul(rows[2], c)));
  };
  Tape tape;
  const Tensor together = tape.gradient(loss(weight, weight, weight))[weight];
  const Tensor a = tape.watch(weight.value()), b = tape.watch(weight.value()), c = tape.watch(weight.value());
  const auto apart = tape.gradient(loss(a, b, c), {a, b, c});
  const Tensor difference = together - (apart[0] + apart[1] + apart[2]);
  CHECK(norm(difference).item() < 1e-12 * norm(together).item());
}

TEST_CASE("products are summed early where too many wait", "[autograd][sweep]") {
  // The cotangents of each product take 4 MiB, and no more than 64 MiB of them wait.
  const Parameter v(uniform({4, 1024})), w(uniform({4, 1024}));
  const int count = 20;
  std::vector<Tensor> x;
  for (int i = 0; i < count; ++i) x.push_back(uniform({1024, 4}));
  Tape tape;
  Tensor loss;
  for (int i = 0; i < count; ++i) {
    const Tensor term = sum(square(matmul(x[static_cast<std::size_t>(i)], i % 3 == 0 ? v : w)));
    loss = loss.defined() ? loss + term : term;
  }
  const auto gradients = tape.gradient(loss, {v, w});
  std::array<Tensor, 2> expected = {zeros({4, 1024}), zeros({4, 1024})};
  for (int i = 0; i < count; ++i) {
    const Tensor& one = x[static_cast<std::size_t>(i)];
    Tensor& sum = expected[i % 3 == 0 ? 0 : 1];
    sum = sum + 2 * matmul(matmul(transpose(one), one), i % 3 == 0 ? v.value() : w.value());
  }
  for (std::size_t k = 0; k < 2; ++k)
    CHECK(max(abs(gradients[k] - expected[k])).item() < 1e-4 * max(abs(expected[k])).item());
}

TEST_CASE("gathered products are right under an outer tape, twice", "[autograd][sweep]") {
  const Tensor rows = some({2, 3}, 5);
  check(
      [&](const Tensor& w) {
        Tensor h = rows;
        for (int i = 0; i < 3; ++i) h = tanh(matmul_add(h, w, rows));
        return h + matmul(rows, w);
      },
      {3, 3});
}

TEST_CASE("a weight that is also used otherwise gets the sum of both", "[autograd][sweep]") {
  const Tensor rows = some({2, 3}, 5);
  check([&](const Tensor& w) { return matmul(rows, w) * sum(square(w)) + sum(matmul(transpose(w), w)); },
        {3, 3});
  check([&](const Tensor& w) { return matmul(rows, w) * slice(w, 0, {1, 2}); }, {3, 3});
}

TEST_CASE("the gradient of the product's left side reads the weight transposed", "[autograd][sweep]") {
  const Tensor w = some({3, 4});
  check([&](const Tensor& x) { return matmul(tanh(matmul(x, w)), transpose(w)); }, {2, 3});
}

namespace {

Tensor gate(const Tensor& a, const Tensor& b) {
  return fused([](auto p, auto q) { return p * sigmoid(q); }, a, b);
}

// A graph of slices, sums and products of random choice: sums with slices are what cotangents borrow memory
// through.
Tensor random_graph(const Tensor& x, const Tensor& weights, std::uint64_t seed, std::vector<Tensor>& values) {
  std::mt19937_64 random(seed);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::vector<Tensor> wide = {x}, narrow = unbind(x, 0);  // [6, 2, 4] and [2, 4]
  for (int i = 0; i < 30; ++i) {
    switch (pick(9)) {
      case 0:
      case 1:
        narrow.push_back(narrow[pick(narrow.size())] + matmul(narrow[pick(narrow.size())], weights));
        break;
      case 2:
        narrow.push_back(matmul_add(narrow[pick(narrow.size())], weights, narrow[pick(narrow.size())]));
        break;
      case 3:
        narrow.push_back(select(wide[pick(wide.size())], 0, static_cast<std::int64_t>(pick(6))));
        break;
      case 4:
        wide.push_back(wide[pick(wide.size())] * 0.5);
        break;
      case 5: {
        const auto [a, b] = split<2>(narrow[pick(narrow.size())]);
        narrow.push_back(concat(std::vector<Tensor>{gate(a, b), tanh(b)}, 1));
        break;
      }
      case 6:
        wide.push_back(wide[pick(wide.size())] + wide[pick(wide.size())]);
        break;
      case 7: {
        const Tensor part = slice(wide[pick(wide.size())], 0, {1, 3});
        narrow.push_back(select(part + part, 0, 1));
        break;
      }
      case 8: {
        const Tensor gain = select(weights, 0, 1), bias = select(weights, 0, 2);
        narrow.push_back(
            layer_norm_add(narrow[pick(narrow.size())], gain, bias, narrow[pick(narrow.size())], 0.1));
        break;
      }
    }
  }
  for (const Tensor& part : narrow) values.push_back(part);
  Tensor total = sum(wide.back());
  for (std::size_t i = 0; i < narrow.size(); i += 1 + pick(3)) total = total + sum(square(narrow[i]));
  return total;
}

}  // namespace

TEST_CASE("gradients do not depend on whether cotangents are written in place", "[autograd][tape]") {
  // A recorded sweep uses public operations alone and writes nothing in place.
  rill::seed(3);
  const Tensor data = normal({6, 2, 4}, 0, 1, DType::float64),
               weights = normal({4, 4}, 0, 0.5, DType::float64);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const auto gradients = [&] {
      Tape tape;
      const Tensor x = tape.watch(data), w = tape.watch(weights);
      std::vector<Tensor> values;
      const Tensor total = random_graph(x, w, seed, values);
      std::vector<Tensor> sources = {x, w};
      if (seed % 2) sources.insert(sources.end(), values.begin(), values.end());
      return tape.gradient(total, sources);
    };
    const auto in_place = gradients();
    Tape outer;
    const auto recorded = gradients();
    REQUIRE(in_place.size() == recorded.size());
    for (std::size_t i = 0; i < in_place.size(); ++i) {
      REQUIRE(in_place[i].defined() == recorded[i].defined());
      if (!in_place[i].defined()) continue;
      const auto a = in_place[i].to_vector<double>(), b = recorded[i].to_vector<double>();
      for (std::size_t k = 0; k < a.size(); ++k) REQUIRE(a[k] == Approx(b[k]).epsilon(1e-11).margin(1e-11));
    }
  }
}

TEST_CASE("a chain of slices of sums of any length is differentiated without recursion", "[autograd][tape]") {
  Tape tape;
  const Tensor x = tape.watch(ones({2, 1}, DType::float64));
  Tensor y = x;
  for (int i = 0; i < 50000; ++i) y = slice(y, 0, {0, 2}) + x;
  REQUIRE(tape.gradient(sum(y), x).to_vector<double>() == std::vector<double>{50001, 50001});
}

TEST_CASE("a product's gradient on top of what is there: of another use, of a slice, of a product before",
          "[autograd][sweep]") {
  const Tensor w = some({3, 4}, 2), v = some({3, 3}, 3);
  check([&](const Tensor& x) { return matmul(x, w) * sum(square(x)); }, {2, 3});
  check([&](const Tensor& x) { return sum(square(matmul(x, w))) + sum(square(matmul(x, v))); }, {2, 3});
  check(
      [&](const Tensor& x) {
        return sum(square(matmul(x, w))) * sum(square(slice(x, 0, {1, 2})));
      },
      {2, 3});
  check(
      [&](const Tensor& x) {
        return sum(square(matmul(x, v) + x)) * sum(square(slice(x, 0, {0, 1})));
      },
      {2, 3});
  check([&](const Tensor& x) { return square(matmul(x, v)) + x; }, {2, 2, 3});
  check([&](const Tensor& x) { return square(matmul(x, v)) + x; }, {3});

  // What holds the cotangent that is added to keeps its value.
  Tape tape;
  const Tensor x = tape.watch(some({2, 3})), g = some({2, 3}, 4);
  const Tensor before = g + 0;
  const Target targets[] = {{x * 1, g}, {matmul(x, v), g}};
  const Tensor gradient = tape.gradient(targets, {x})[0];
  CHECK(max(abs(gradient - (before + matmul(before, transpose(v))))).item() < 1e-15);
  CHECK(g.to_vector<double>() == before.to_vector<double>());
}
