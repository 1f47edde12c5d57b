#include "rill/tensor/format.h"

#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"
#include "tests/catch.h"

using namespace rill;

TEST_CASE("tensors print as NumPy prints them", "[tensor][format]") {
  CHECK(to_string(tensor({1, 2, 3})) == "[1. 2. 3.]");
  CHECK(to_string(tensor({{1, 2.5}, {-3, 4}})) == "[[ 1.   2.5]\n [-3.   4. ]]");
  CHECK(to_string(arange(3)) == "[0 1 2]");
  CHECK(to_string(full({}, 2.5)) == "2.5");
  CHECK(to_string(full({1}, 0.1)) == "[0.1]");
  CHECK(to_string(zeros({0})) == "[]");
  CHECK(to_string(zeros({2, 0})) == "[[]\n []]");
  CHECK(to_string(tensor({1e10, 1})) == "[1.e+10 1.e+00]");
  CHECK(to_string(log(tensor({0, 1}))) == "[-inf   0.]");
  CHECK(to_string(reshape(arange(8), {2, 2, 2})) == "[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]");
  CHECK(to_string(transpose(tensor({{1, 2}, {3, 4}}), 0, 1)) == "[[1. 3.]\n [2. 4.]]");
  CHECK(to_string(Tensor()) == "(no value)");
}

TEST_CASE("more than a thousand elements are cut to the ends of each axis", "[tensor][format]") {
  CHECK(to_string(arange(2000)) == "[   0    1    2 ... 1997 1998 1999]");
  CHECK_THAT(to_string(zeros({100, 2, 100})), ContainsSubstring("[0. 0. 0. ... 0. 0. 0.]"));
}

TEST_CASE("fmt prints a tensor", "[tensor][format]") {
  CHECK(fmt::format("x = {}", arange(2)) == "x = [0 1]");
}
