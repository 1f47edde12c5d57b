// layer_norm against its definition, by rows that fill packets and rows that do not.

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/autograd/transforms.h"
#include "rill/tensor/random.h"
#include "rill/tensor/threads.h"
#include "tests/catch.h"

using namespace rill;

namespace {

// The definition, of plain operations.
Tensor definition(const Tensor& x, const Tensor& gain, const Tensor& bias) {
  const ReduceOptions kept{.keepdims = true};
  const Tensor deviation = x - mean(x, -1, kept);
  return deviation / sqrt(mean(square(deviation), -1, kept) + 1e-5) * gain + bias;
}

struct Case {
  Tensor x, gain, bias, cotangent;
  Case(const Shape& shape, DType dtype) {
    Generator random(shape[0]);
    x = random.normal(shape, 3, 2, dtype);
    gain = random.normal({shape.back()}, 1, 0.2, dtype);
    bias = random.normal({shape.back()}, 0, 1, dtype);
    cotangent = random.normal(shape, 0, 1, dtype);
  }
  /// The value, and the gradients of x, gain and bias.
  template <class F>
  std::vector<Tensor> outcome(F f) const {
    Tape tape;
    const Tensor a = tape.watch(x), b = tape.watch(gain), c = tape.watch(bias);
    const Tensor y = f(a, b, c);
    auto out = tape.gradient(sum(y * cotangent), {a, b, c});
    out.push_back(y);
    return out;
  }
};

const auto one_pass = [](const Tensor& x, const Tensor& gain, const Tensor& bias) {
  return layer_norm(x, gain, bias);
};

}  // namespace

TEST_CASE("layer_norm has the values and gradients of its definition", "[autograd][layer_norm]") {
  for (const auto& [dtype, tolerance] : {std::pair{DType::float32, 2e-5}, std::pair{DType::float64, 1e-12}})
    for (const Shape& shape : {Shape{1, 1}, Shape{3, 5}, Shape{2, 16}, Shape{3, 33}, Shape{40, 47},
                               Shape{3, 70, 64}, Shape{32, 1024}}) {
      CAPTURE(name(dtype), to_string(shape));
      const Case it(shape, dtype);
      const auto found = it.outcome(one_pass), expected = it.outcome(definition);
      for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        CHECK(max(abs(found[i] - expected[i])).item() <= tolerance * (1 + max(abs(expected[i])).item()));
      }
    }
}

TEST_CASE("layer_norm of rows and elements that lie apart", "[autograd][layer_norm]") {
  const Case it({6, 20}, DType::float64);
  for (int axis : {1, 2}) {
    // Every second row or element of the input, of an addend and of the gradient.
    const auto apart = [&](const Tensor& x) { return select(stack({x, x}, axis), axis, 1); };
    const auto among_others = [&](const Tensor& y) { return sum(stack({y, y * 2}, axis), axis); };
    const auto found = it.outcome([&](const Tensor& x, const Tensor& gain, const Tensor& bias) {
      return among_others(layer_norm_add(apart(x), gain, bias, apart(x)));
    });
    const auto expected = it.outcome([](const Tensor& x, const Tensor& gain, const Tensor& bias) {
      return 3 * (x + definition(x, gain, bias));
    });
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(max(abs(found[i] - expected[i])).item() < 1e-12);
  }
}

TEST_CASE("layer_norm has the same bits with any number of threads", "[autograd][layer_norm]") {
  const Case it({70, 300}, DType::float32);
  const int before = threads();
  std::vector<std::vector<float>> bits;
  for (int count : {1, 2, 3}) {
    set_threads(count);
    std::vector<float> all;
    for (const Tensor& x : it.outcome(one_pass)) {
      const auto values = x.to_vector<float>();
      all.insert(all.end(), values.begin(), values.end());
    }
    bits.push_back(std::move(all));
  }
  set_threads(before);
  CHECK(bits[0] == bits[1]);
  CHECK(bits[0] == bits[2]);
}

TEST_CASE("layer_norm of very large and very small numbers is that of ordinary ones",
          "[autograd][layer_norm]") {
  const auto near = [](const Tensor& a, const Tensor& b) { return max(abs(a - b)).item() < 1e-5; };
  Generator random(9);
  const Tensor plain = random.normal({3, 33}, 1, 2, DType::float64);
  const Tensor gain = random.normal({33}, 1, 0.2, DType::float64),
               bias = random.normal({33}, 0, 1, DType::float64);
  const Tensor weights = random.normal({3, 33}, 0, 1, DType::float64);
  const auto loss = [&](double epsilon) {
    return [&, epsilon](const Tensor& x) {
      const DType dtype = x.dtype();
      return sum(layer_norm(x, cast(gain, dtype), cast(bias, dtype), epsilon) * cast(weights, dtype));
    };
  };
  const Tensor expected = layer_norm(plain, gain, bias, 0), slope = grad(loss(0))(plain);
  for (const auto& [dtype, size] : {std::pair{DType::float64, 1e200}, std::pair{DType::float64, 1e-200},
                                    std::pair{DType::float32, 1e30}, std::pair{DType::float32, 1e-30}}) {
    INFO(size);
    const Tensor x = cast(plain * size, dtype);
    // The epsilon counts for nothing beside large numbers.
    const double epsilon = size > 1 ? 1e-5 : 0;
    CHECK(near(cast(layer_norm(x, cast(gain, dtype), cast(bias, dtype), epsilon), DType::float64), expected));
    CHECK(near(cast(grad(loss(epsilon))(x), DType::float64) * size, slope));
    CHECK(near(cast(hvp(loss(epsilon), x, x), DType::float64) * size, hvp(loss(0), plain, plain)));
  }
}
