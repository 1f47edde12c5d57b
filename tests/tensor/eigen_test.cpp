#include "rill/tensor/eigen.h"

#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"

using namespace rill;

TEST_CASE("a tensor is seen by Eigen without a copy, strided views too", "[tensor][eigen]") {
  const Tensor x = uniform({4, 6}, -1, 1, DType::float64);
  for (const Tensor& view : {x, transpose(x, 0, 1), slice(x, 1, {1, 6, 2}), slice(x, 0, {.step = 3})}) {
    const auto matrix = as_eigen<double>(view);
    const auto values = view.to_vector<double>();
    REQUIRE(matrix.rows() == view.size(0));
    for (std::int64_t i = 0; i < matrix.rows(); ++i)
      for (std::int64_t j = 0; j < matrix.cols(); ++j)
        CHECK(matrix(i, j) == values[static_cast<std::size_t>(i * matrix.cols() + j)]);
  }
  CHECK(as_eigen<double>(x).data() == x.span<double>().data());
}

TEST_CASE("an Eigen expression becomes a tensor", "[tensor][eigen]") {
  Eigen::MatrixXf m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  CHECK(from_eigen(2 * m.transpose()).to_vector<float>() == std::vector<float>{2, 8, 4, 10, 6, 12});
}

TEST_CASE("as_eigen says what does not fit", "[tensor][eigen][errors]") {
  CHECK_THROWS_WITH(as_eigen<float>(zeros({2})), "as_eigen: a tensor of shape [2]; expected [rows, columns]");
  CHECK_THROWS_WITH(as_eigen<double>(zeros({2, 2})), "as_eigen: the tensor holds float32, not float64");
  CHECK_THROWS_WITH(as_eigen<float>(slice(zeros({2, 2}), 0, {.step = -1})),
                    ContainsSubstring("reversed view"));
}
