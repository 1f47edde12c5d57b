#include "rill/autograd/gradcheck.h"

#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;

namespace {

const Tensor at = tensor({{1, 2}, {3, 4}}, DType::float64);

}  // namespace

TEST_CASE("gradcheck passes what is right", "[autograd][gradcheck]") {
  const auto f = [](const std::vector<Tensor>& x) { return sin(x[0]) * x[1]; };
  CHECK(gradcheck(f, {at, at}));
  CHECK(gradgradcheck(f, {at, at}));
}

TEST_CASE("gradcheck names the worst entry of what is wrong", "[autograd][gradcheck]") {
  const auto f = [](const std::vector<Tensor>& x) {
    const Tensor wrong = tensor({{1, 1}, {1.5, 1}}, DType::float64);
    return record("wrong", x[0] + stop_gradient(x[1]), wrt(x[0], [](const Tensor& g) { return g; }),
                  wrt(x[1], [wrong](const Tensor& g) { return g * wrong; }));
  };
  const GradcheckResult result = gradcheck(f, {at, at});
  CHECK_FALSE(result);
  CHECK_THAT(result.message, ContainsSubstring("input 1, element [1, 0]: gradient"));
}

TEST_CASE("gradgradcheck finds a rule whose own derivative is lost", "[autograd][gradcheck]") {
  const auto f = [](const std::vector<Tensor>& x) {
    const Tensor constant = stop_gradient(x[0]);
    return record("once", square(constant),
                  wrt(x[0], [constant](const Tensor& g) { return g * 2 * constant; }));
  };
  CHECK(gradcheck(f, {at}));
  CHECK_FALSE(gradgradcheck(f, {at}));
}

TEST_CASE("gradcheck fails for NaN", "[autograd][gradcheck]") {
  CHECK_FALSE(gradcheck([](const std::vector<Tensor>& x) { return sqrt(x[0] - 10); }, {at}));
}

TEST_CASE("gradcheck takes a result that depends on nothing", "[autograd][gradcheck]") {
  CHECK(gradcheck([](const std::vector<Tensor>&) { return at; }, {at}));
}

TEST_CASE("gradcheck wants float64", "[autograd][gradcheck][errors]") {
  const auto f = [](const std::vector<Tensor>& x) { return x[0] * 2; };
  CHECK_THROWS_WITH(gradcheck(f, {ones({2})}),
                    ContainsSubstring("input 0 is float32; central differences need float64"));
  const auto narrow = [](const std::vector<Tensor>& x) { return cast(x[0], DType::float32); };
  CHECK_THROWS_AS(gradcheck(narrow, {at}), DTypeError);
}
