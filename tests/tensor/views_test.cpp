#include "rill/tensor/kernels/views.h"

#include "rill/tensor/error.h"
#include "rill/tensor/kernels/index.h"
#include "tests/catch.h"
#include "tests/tensor/layouts.h"

using namespace rill;
using detail::TensorAccess;
using test::elements;

namespace {

bool shares(const Tensor& a, const Tensor& b) {
  return TensorAccess::body(a).storage == TensorAccess::body(b).storage;
}

Tensor counting(const Shape& shape) {
  Tensor x = Tensor::empty(shape, DType::int64);
  for (std::int64_t i = 0; i < x.count(); ++i) TensorAccess::raw<std::int64_t>(x)[i] = i;
  return x;
}

using Values = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("window takes every step-th element of an axis, backwards too", "[tensor][views]") {
  const Tensor x = counting({3, 4});
  CHECK(elements<std::int64_t>(kernels::window(x, 0, 1, 2)) == Values{4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(elements<std::int64_t>(kernels::window(x, 1, 1, 2, 2)) == Values{1, 3, 5, 7, 9, 11});
  CHECK(elements<std::int64_t>(kernels::window(x, 1, 3, 4, -1)) ==
        Values{3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8});
  CHECK(kernels::window(x, 0, 3, 0).shape() == Shape{0, 4});
  CHECK(shares(x, kernels::window(x, 1, 1, 2, 2)));
  CHECK(kernels::window(x, 0, 1, 2).is_contiguous());
  CHECK_FALSE(kernels::window(x, 1, 0, 2).is_contiguous());
}

TEST_CASE("permute and transpose reorder axes without a copy", "[tensor][views]") {
  const Tensor x = counting({2, 3, 2});
  const Tensor y = kernels::permute(x, {2, 0, 1});
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(elements<std::int64_t>(y) == Values{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11});
  CHECK(shares(x, y));
  CHECK(elements<std::int64_t>(kernels::transpose(x, 0, 2)) == Values{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11});
  CHECK(elements<std::int64_t>(kernels::permute(counting({}), {})) == Values{0});
  CHECK_THROWS_WITH(kernels::permute(x, {0, 1}), "permute: order [0, 1] does not fit a tensor of rank 3");
  CHECK_THROWS_WITH(kernels::permute(x, {0, 1, 1}), "permute: order [0, 1, 1] names an axis twice");
  CHECK_THROWS_AS(kernels::permute(x, {0, 1, 3}), ShapeError);
}

TEST_CASE("expand repeats axes of size 1 and adds leading axes without a copy", "[tensor][views]") {
  const Tensor x = counting({2, 1});
  const Tensor y = kernels::expand(x, {3, 2, 2});
  CHECK(elements<std::int64_t>(y) == Values{0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1});
  CHECK(shares(x, y));
  CHECK(kernels::expand(x, {2, 0}).count() == 0);
  CHECK(kernels::expand(counting({}), {2, 2}).strides() == Dims{0, 0});
  CHECK_THROWS_WITH(kernels::expand(x, {3, 1}), "expand: shape [2, 1] cannot be expanded to [3, 1]");
  CHECK_THROWS_AS(kernels::expand(x, {2}), ShapeError);
  CHECK_THROWS_AS(kernels::expand(x, {-4, 2, 1}), ShapeError);
}

TEST_CASE("reshape keeps the order of the elements in every layout", "[tensor][views]") {
  for (const auto& [name, x] : test::layouts({4, 3, 6}, DType::int64)) {
    CAPTURE(name);
    for (const Shape& shape :
         {Shape{72}, {12, 6}, {4, 18}, {2, 2, 3, 1, 6}, {8, 9}, {1, 4, 3, 3, 2}, {6, 12}}) {
      const Tensor y = kernels::reshape(x, shape);
      CHECK(y.shape() == shape);
      CHECK(elements<std::int64_t>(y) == elements<std::int64_t>(x));
    }
  }
}

TEST_CASE("reshape is a view where the layout allows one", "[tensor][views]") {
  const Tensor x = counting({4, 3, 6});
  CHECK(shares(x, kernels::reshape(x, {12, -1})));
  const Tensor slice = kernels::window(x, 1, 0, 2);
  CHECK(shares(x, kernels::reshape(slice, {2, 2, 12})));
  CHECK_FALSE(shares(x, kernels::reshape(slice, {48})));
  CHECK(shares(x, kernels::reshape(kernels::permute(x, {2, 0, 1}), {6, 12})));
  CHECK_FALSE(shares(x, kernels::reshape(kernels::permute(x, {2, 0, 1}), {72})));
  CHECK(shares(x, kernels::reshape(kernels::window(x, 0, 3, 4, -1), {4, 18})));
}

TEST_CASE("reshape finds an open size and names what does not fit", "[tensor][views]") {
  const Tensor x = counting({4, 6});
  CHECK(kernels::reshape(x, {3, -1}).shape() == Shape{3, 8});
  CHECK(kernels::reshape(counting({1, 1}), {}).rank() == 0);
  CHECK(kernels::reshape(counting({0, 3}), {3, 0, 5}).shape() == Shape{3, 0, 5});
  CHECK_THROWS_WITH(kernels::reshape(x, {5, 5}),
                    "reshape: 24 elements of shape [4, 6] do not fill shape [5, 5]");
  CHECK_THROWS_AS(kernels::reshape(x, {5, -1}), ShapeError);
  CHECK_THROWS_AS(kernels::reshape(x, {-1, -1}), ShapeError);
  CHECK_THROWS_AS(kernels::reshape(x, {-4, -6}), ShapeError);
}

TEST_CASE("squeeze and unsqueeze drop and add an axis of size 1", "[tensor][views]") {
  const Tensor x = counting({2, 3});
  for (int axis : {0, 1, 2}) {
    const Tensor y = kernels::unsqueeze(x, axis);
    CHECK(y.rank() == 3);
    CHECK(y.is_contiguous());
    CHECK(kernels::squeeze(y, axis).shape() == x.shape());
    CHECK(elements<std::int64_t>(kernels::squeeze(y, axis)) == elements<std::int64_t>(x));
  }
  CHECK_THROWS_WITH(kernels::squeeze(x, 1), "squeeze: axis 1 of shape [2, 3] has not size 1");
}

TEST_CASE("views of tensors of many axes", "[tensor][views]") {
  const Tensor x = counting({2, 1, 2, 3, 1, 2, 2, 3});
  Dims order{7, 6, 5, 4, 3, 2, 1, 0};
  const Tensor back = kernels::permute(kernels::permute(x, order), order);
  CHECK(back.strides() == x.strides());
  CHECK(kernels::reshape(x, {144}).is_contiguous());
}

TEST_CASE("a stack of parts at equal distances in one storage is a view", "[tensor][views]") {
  const Tensor x = counting({4, 3});
  const auto row = [&](std::int64_t i) { return kernels::squeeze(kernels::window(x, 0, i, 1), 0); };
  const auto check = [&](const std::vector<std::int64_t>& rows, int axis, bool is_view,
                         const Values& expected) {
    std::vector<Tensor> parts;
    for (std::int64_t i : rows) parts.push_back(row(i));
    const Tensor stacked = kernels::stack(parts, axis);
    CHECK(elements<std::int64_t>(stacked) == expected);
    CHECK(shares(x, stacked) == is_view);
  };
  check({1, 2, 3}, 0, true, {3, 4, 5, 6, 7, 8, 9, 10, 11});
  check({0, 2}, 0, true, {0, 1, 2, 6, 7, 8});
  check({0, 1, 2}, 1, true, {0, 3, 6, 1, 4, 7, 2, 5, 8});
  check({1, 0}, 0, false, {3, 4, 5, 0, 1, 2});
  check({1, 1}, 0, false, {3, 4, 5, 3, 4, 5});
  check({0, 1, 3}, 0, false, {0, 1, 2, 3, 4, 5, 9, 10, 11});

  const Tensor other = counting({4, 3});
  CHECK_FALSE(shares(x, kernels::stack({row(0), kernels::squeeze(kernels::window(other, 0, 1, 1), 0)}, 0)));
  const Tensor column = kernels::window(kernels::squeeze(kernels::window(x, 1, 1, 1), 1), 0, 0, 3);
  CHECK(elements<std::int64_t>(kernels::stack({column, row(1)}, 0)) == Values{1, 4, 7, 3, 4, 5});
}
