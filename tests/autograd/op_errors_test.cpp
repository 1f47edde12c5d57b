// Bad input to operations: each gives one sentence that says what was given and what would fit.

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;

namespace {

Tensor of(const Shape& shape, DType dtype = DType::float32) { return ones(shape, dtype); }

template <class E, class F>
void fails(F f, const std::string& sentence) {
  try {
    f();
    FAIL_CHECK("nothing was thrown; expected: " << sentence);
  } catch (const E& error) {
    CHECK_THAT(error.what(), ContainsSubstring(sentence));
  }
}

const Tensor whole = ones({2, 3}, DType::int64);

}  // namespace

TEST_CASE("operations reject shapes that do not fit", "[autograd][ops][errors]") {
  fails<ShapeError>([] { return of({2, 3}) + of({2}); }, "add: shapes [2, 3] and [2] do not broadcast");
  fails<ShapeError>([] { return where(of({2}), of({3}), 0); }, "where: shapes");
  fails<ShapeError>(
      [] {
        return matmul(of({32, 256}), of({128, 1024}));
      },
      "matmul: [32, 256] x [128, 1024]: inner sizes 256 and 128 differ");
  fails<ShapeError>(
      [] {
        return matmul(of({}), of({2, 2}));
      },
      "matmul: [] x [2, 2]: a scalar has no rows and columns");
  fails<ShapeError>([] { return matmul(of({2, 2, 3}), of({3, 3, 4})); }, "matmul");
  fails<ShapeError>(
      [] {
        return matmul_add(of({2, 3}), of({2, 3}), 0);
      },
      "matmul_add: [2, 3] x [2, 3]: expected [..., k] x [k, n]");
  fails<ShapeError>(
      [] {
        return matmul_add(of({2, 3}), of({3, 4}), of({2, 2, 4}));
      },
      "matmul_add: [2, 2, 4] cannot be added to a product of shape [2, 4]");
  fails<ShapeError>(
      [] {
        return outer(of({2, 2}), of({2}));
      },
      "outer: expected two vectors, got [2, 2] and [2]");
  fails<ShapeError>([] { return reshape(of({2, 3}), {4, -1}); }, "reshape");
  fails<ShapeError>([] { return reshape(of({2, 3}), {-1, -1}); }, "reshape");
  fails<ShapeError>([] { return expand(of({2, 3}), {2, 4}); }, "expand");
  fails<ShapeError>([] { return layer_norm(of({}), of({}), of({})); }, "layer_norm: a scalar has no axis");
  fails<ShapeError>(
      [] {
        return layer_norm(of({2, 3}), of({2}), of({3}));
      },
      "layer_norm: a gain of shape [2] for an input of shape [2, 3]; expected [3]");
  fails<ShapeError>(
      [] {
        return layer_norm(of({2, 3}), of({3}), of({1}));
      },
      "layer_norm: a bias of shape [1]");
  fails<ShapeError>(
      [] {
        return layer_norm_add(of({2, 3}), of({3}), of({3}), of({3}));
      },
      "layer_norm: an addend of shape [3] for an input of shape [2, 3]; expected [2, 3]");
  fails<ShapeError>([] { return squeeze(of({2, 1}), 0); }, "squeeze: axis 0 of [2, 1] has not size 1");
  fails<ShapeError>(
      [] {
        return permute(of({2, 3}), {0});
      },
      "permute: [0] does not name each of the 2 axes of [2, 3] once");
  fails<ShapeError>([] { return permute(of({2, 3}), {1, 1}); }, "permute: axes [1, 1] name one axis twice");
  fails<ShapeError>([] { return concat({of({2, 3}), of({2, 4})}, 0); }, "concat");
  fails<ShapeError>([] { return stack({of({2}), of({3})}); }, "stack");
  fails<ShapeError>(
      [] {
        return split(of({2, 3}), 2);
      },
      "split: axis -1 of [2, 3] does not divide into 2 equal parts");
  fails<ShapeError>(
      [] {
        return split(of({2, 3}), {1, 3});
      },
      "split: sizes [1, 3] do not add up to axis -1 of [2, 3]");
  fails<ShapeError>([] { return slice(of({2}), {{}, {}}); }, "slice: 2 parts for the 1 axes of [2]");
  fails<ShapeError>(
      [] {
        return pad(of({2, 3}), {{1, 1}});
      },
      "pad: 1 pairs of widths for the 2 axes of [2, 3]");
  fails<ShapeError>([] { return sum_to(of({2, 3}), {2}); }, "sum_to");
  fails<ShapeError>(
      [] {
        return unslice(of({2, 3}), {4, 4}, 0, 0);
      },
      "unslice: [2, 3] is no slice along axis 0 of [4, 4]");
}

TEST_CASE("operations reject axes that are not there", "[autograd][ops][errors]") {
  fails<ShapeError>([] { return sum(of({2, 3}), 2); }, "sum: axis 2 is out of range for a tensor of rank 2");
  fails<ShapeError>([] { return mean(of({2, 3}), {0, -2}); }, "mean: axes [0, -2] name one axis twice");
  fails<ShapeError>([] { return softmax(of({2, 3}), 5); }, "softmax: axis 5 is out of range");
  fails<ShapeError>([] { return softmax(of({})); },
                    "softmax: axis -1 is out of range for a tensor of rank 0");
  fails<ShapeError>([] { return unbind(of({})); }, "unbind: axis 0 is out of range");
  fails<ShapeError>([] { return unsqueeze(of({2}), 3); }, "unsqueeze: axis 3 is out of range");
  fails<ShapeError>([] { return transpose(of({2})); }, "transpose: axis -2 is out of range");
  fails<ShapeError>([] { return argmax(of({2}), 1); }, "argmax: axis 1 is out of range");
}

TEST_CASE("operations reject dtypes that do not fit", "[autograd][ops][errors]") {
  fails<DTypeError>([] { return of({2}) + of({2}, DType::float64); }, "add");
  fails<DTypeError>([] { return of({2}) * of({2}, DType::int64); }, "mul");
  fails<DTypeError>([] { return matmul(of({2, 2}), of({2, 2}, DType::float64)); }, "matmul");
  fails<DTypeError>([] { return concat({of({2}), of({2}, DType::float64)}); }, "concat");
  fails<DTypeError>([] { return exp(whole); }, "exp");
  fails<DTypeError>([] { return mean(whole); }, "mean: int64 has to be cast to a floating dtype first");
  fails<DTypeError>([] { return softmax(whole); }, "softmax: int64");
  fails<DTypeError>([] { return variance(whole); }, "variance: int64");
  fails<DTypeError>([] { return layer_norm(whole, of({3}), of({3})); }, "layer_norm: int64");
  fails<DTypeError>(
      [] {
        return layer_norm(of({2, 3}), of({3}), of({3}, DType::float64));
      },
      "layer_norm: a bias of float64 for an input of float32");
  fails<DTypeError>([] { return index_select(of({2}), 0, of({2})); }, "index_select");
  fails<DTypeError>([] { return one_hot(of({2}), 3); }, "one_hot");
}

TEST_CASE("operations reject values that do not fit", "[autograd][ops][errors]") {
  const Tensor three = tensor({0, 3}, DType::int64);
  fails<ValueError>(
      [] {
        return select(of({2, 3}), 1, 3);
      },
      "select: index 3 is out of range for axis 1 of [2, 3]");
  fails<ValueError>([] { return slice(of({2}), 0, {.step = 0}); }, "slice: the step is 0");
  fails<ValueError>([] { return pad(of({2}), {{-1, 0}}); }, "pad: the width -1 is negative");
  fails<ValueError>([] { return concat({}); }, "concat: there are no tensors to join");
  fails<ValueError>([] { return stack({}); }, "stack: there are no tensors to join");
  fails<ValueError>([] { return clamp(of({2}), 1, -1); }, "clamp");
  fails<ValueError>([&] { return index_select(of({3}), 0, three); }, "index_select");
  fails<ValueError>([&] { return gather(of({3}), 0, three); }, "gather");
  fails<ValueError>([&] { return scatter_add(of({3}), 0, three, of({2})); }, "scatter_add");
  fails<ValueError>([&] { return one_hot(three, 3); }, "one_hot");
  fails<ValueError>([] { return unslice(of({2}), {3}, 0, 2); },
                    "unslice: 2 elements from 2 in steps of 1 lie outside axis 0 of [3]");
  fails<ValueError>([] { return Tensor() + 1; }, "this tensor holds no value");
  fails<ValueError>([] { return cast(tensor({1e30}), DType::int64); }, "cast");
}

TEST_CASE("a failed operation leaves the tape as it was", "[autograd][tape][errors]") {
  Tape tape;
  const Tensor x = tape.watch(of({2, 3}));
  const Tensor y = x * 2;
  const auto size = tape.size();
  CHECK_THROWS_AS(y + of({2}), ShapeError);
  CHECK_THROWS_AS(exp(whole), DTypeError);
  CHECK(tape.size() == size);
  CHECK(tape.gradient(sum(y), x).to_vector<float>()[0] == 2);
}
