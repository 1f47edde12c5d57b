// Shapes whose sizes multiply to more than can be counted, and more memory than there is.

#include <limits>
#include <vector>

#include "rill/rill.h"
#include "tests/catch.h"

using namespace rill;

namespace {

constexpr std::int64_t half = std::int64_t{1} << 31, whole = half * 2, huge = std::int64_t{1} << 62;

Tensor repeated(const Shape& shape) { return expand(ones({}), shape); }

Tensor whole_numbers(const std::vector<std::int64_t>& values) { return Tensor::from(values); }

}  // namespace

TEST_CASE("a shape whose sizes multiply to more than can be counted is refused", "[tensor][sizes]") {
  CHECK(count({half, half}) == huge);
  CHECK_THROWS_WITH(count({whole, whole}),
                    "shape [4294967296, 4294967296] has more elements than int64 can count");
  CHECK_THROWS_AS(count({half, half, 0, half}), ShapeError);  // its strides would not fit either
  CHECK_THROWS_AS(count({-1, -1}), ShapeError);
  CHECK_THROWS_WITH(zeros({half, half}),
                    "memory: [2147483648, 2147483648] of float32 needs 18446744073709551616 bytes, which are "
                    "more than can be counted");
  CHECK_THROWS_AS(zeros({half, half}), ShapeError);
  CHECK_THROWS_WITH(repeated({whole, whole}), ContainsSubstring("[4294967296, 4294967296]"));
}

TEST_CASE("memory that the system does not have is refused with the shape and the bytes", "[tensor][sizes]") {
  CHECK_THROWS_WITH(zeros({2097152, 2097152}),
                    "memory: [2097152, 2097152] of float32 needs 17592186044416 bytes, which the system does "
                    "not have");
  CHECK_THROWS_AS(zeros({2097152, 2097152}), Error);
  // A refusal leaves nothing behind.
  const auto before = memory_statistics().in_use;
  for (int i = 0; i < 100; ++i) CHECK_THROWS_AS(Tensor::empty({huge / 8}), Error);
  CHECK(memory_statistics().in_use == before);
  CHECK(sum(ones({3})).item() == 3);
}

TEST_CASE("whatever makes a tensor refuses a size that cannot be", "[tensor][sizes]") {
  const Tensor column = repeated({half, 1}), row = repeated({1, half}), line = repeated({huge});
  CHECK_THROWS_AS(eye(half), Error);
  CHECK_THROWS_AS(full({half, half}, 1), Error);
  CHECK_THROWS_AS(arange(0, 1e18), Error);
  CHECK_THROWS_AS(arange(0, 1e30), Error);
  CHECK_THROWS_AS(arange(1e18), Error);
  CHECK_THROWS_AS(uniform({half, half}), Error);
  CHECK_THROWS_AS(normal({half, 1 << 20}), Error);
  CHECK_THROWS_AS(bernoulli({huge}, 0.5), Error);
  CHECK_THROWS_AS(Generator().permutation(huge), Error);
  CHECK_THROWS_AS(one_hot(whole_numbers({1}), huge / 4), Error);
  CHECK_THROWS_AS(column + row, Error);
  CHECK_THROWS_AS(where(column, row, 1), Error);
  CHECK_THROWS_AS(fused([](auto a, auto b) { return a * b; }, column, row), Error);
  CHECK_THROWS_AS(matmul(repeated({huge, 1}), ones({1, 4})), Error);
  CHECK_THROWS_AS(outer(repeated({half}), repeated({half})), Error);
  CHECK_THROWS_AS(concat({line, line}), Error);
  CHECK_THROWS_AS(stack({line, line, line}), Error);
  CHECK_THROWS_AS(pad(ones({2}), {{0, huge}}), Error);
  CHECK_THROWS_AS(pad(ones({2}), {{std::numeric_limits<std::int64_t>::max(), 1}}), ShapeError);
  CHECK_THROWS_AS(reshape(ones({4}), {whole, whole}), ShapeError);
  CHECK_THROWS_AS(reshape(ones({4}), {whole, whole, -1}), ShapeError);
  CHECK_THROWS_AS(reshape(ones({0}), {whole, whole, -1}), ShapeError);
  CHECK_THROWS_AS(unslice(ones({2}), {huge}, 0, 0), Error);
  CHECK_THROWS_AS(unslice(ones({2}), {5}, 0, 1, std::numeric_limits<std::int64_t>::max()), ValueError);
  CHECK_THROWS_AS(index_add(ones({2}), {huge}, 0, arange(2)), Error);
  CHECK_THROWS_AS(index_select(repeated({2, huge / 8}), 0, whole_numbers({0, 1})), Error);
  CHECK_THROWS_AS(unbind(line), Error);
  CHECK_THROWS_AS(split(line, huge), Error);
}

TEST_CASE("a repeated element may stand for any number of them until they are to be written",
          "[tensor][sizes]") {
  const Tensor x = repeated({half, half});
  CHECK(x.count() == huge);
  CHECK(slice(x, {{7, 9}, 3}).to_vector<float>() == std::vector<float>{1, 1});
  CHECK_THROWS_AS(contiguous(x), Error);
  CHECK_THROWS_AS(sum(x), Error);
  CHECK_THROWS_AS(cumsum(x, 0), Error);
  CHECK_THROWS_AS(exp(x), Error);
  CHECK_THROWS_AS(x.to_vector<float>(), Error);
  CHECK_THROWS_AS(cast(x, DType::float64), Error);
  CHECK_THROWS_AS(nn::mse(x, x), Error);
  CHECK(to_string(x).size() < 1000);
}

TEST_CASE("a tensor has at most 64 axes", "[tensor][sizes]") {
  CHECK(sum(ones(Shape(64, 1))).item() == 1);
  CHECK_THROWS_WITH(ones(Shape(65, 1)), "a tensor of 65 axes; expected at most 64");
  CHECK_THROWS_AS(unsqueeze(ones(Shape(64, 1)), 0), ShapeError);
  for (const int axes : {-1, std::numeric_limits<int>::max()}) CHECK_THROWS_AS(Shape(axes, 1), ShapeError);
}

TEST_CASE("layers, initialisers and tasks refuse sizes that cannot be", "[nn][data][sizes]") {
  CHECK_THROWS_WITH(nn::Linear(half, half), ContainsSubstring("[2147483648, 2147483648]"));
  CHECK_THROWS_AS(nn::Linear(1, huge), Error);
  CHECK_THROWS_AS(nn::Embedding(half, half), Error);
  CHECK_THROWS_AS(nn::LayerNorm(huge), Error);
  CHECK_THROWS_AS(nn::LSTM(1, huge), ValueError);  // four gates of that size
  CHECK_THROWS_AS(nn::GRU(1, huge), ValueError);
  CHECK_THROWS_AS(nn::RNN(1, huge), Error);
  CHECK_THROWS_AS(nn::LSTM(1, 4, {.projection = huge, .bidirectional = true}), Error);
  const Shape square{half, half};
  for (const auto& make : {nn::glorot_uniform(), nn::glorot_normal(), nn::he_uniform(), nn::he_normal(),
                           nn::orthogonal(), nn::identity(), nn::constant(1), nn::uniform_initializer(0, 1),
                           nn::normal_initializer(0, 1), nn::chrono(10)})
    CHECK_THROWS_AS(make(square), Error);
  CHECK_THROWS_AS(nn::identity()({1, huge / 8}), Error);
  CHECK_THROWS_AS(nn::dropout_mask(square, 0.5, DType::float32), Error);
  CHECK_THROWS_AS(nn::LSTM(1, 2)(repeated({1, std::int64_t{1} << 40, 1})), Error);
  const std::int64_t most = 100'000'000;
  CHECK_THROWS_AS(data::adding_problem({.length = most, .examples = most}), Error);
  CHECK_THROWS_AS(data::copy_memory({.delay = most, .examples = most}), Error);
  CHECK_THROWS_AS(data::temporal_order({.length = most, .examples = most}), Error);
  CHECK_THROWS_AS(data::Dataset::from_bytes({}, {huge}, {1, 2, 3, 4}), ShapeError);  // 4 * 2^62 wraps to 0
  CHECK_THROWS_AS(flow::histogram(ones({2}), 0, 1, huge), Error);
}
