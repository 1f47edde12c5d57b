#include "tests/autograd/operations.h"

#include <algorithm>

#include "rill/tensor/create.h"
#include "rill/tensor/random.h"

namespace rill::test {
namespace {

using Inputs = const std::vector<Tensor>&;
using Unary = std::function<Tensor(const Tensor&)>;
using Binary = std::function<Tensor(const Tensor&, const Tensor&)>;
using Reduce = std::function<Tensor(const Tensor&, const Axes&, bool)>;

std::vector<Operation> table;

Operation& add(std::string name, DifferentiableFunction f, std::vector<std::vector<Shape>> shapes) {
  table.push_back({std::move(name), std::move(f), std::move(shapes)});
  return table.back();
}

Operation& on_one(std::string name, Unary f, std::vector<std::vector<Shape>> shapes) {
  return add(
      std::move(name), [f](Inputs x) { return f(x[0]); }, std::move(shapes));
}

void unary(std::string name, Unary f, double low = -2, double high = 2) {
  auto& op = on_one(std::move(name), std::move(f), {{{3, 4}}, {{2, 2, 3}}, {{1}}, {{}}, {{0, 3}}});
  op.low = low;
  op.high = high;
}

void binary(std::string name, Binary f, double low = -2, double high = 2) {
  auto& op = add(std::move(name), [f](Inputs x) { return f(x[0], x[1]); },
                 {{{3, 4}, {3, 4}},
                  {{3, 4}, {4}},
                  {{3, 1}, {1, 4}},
                  {{}, {2, 3}},
                  {{2, 1, 2}, {3, 1}},
                  {{1}, {1}},
                  {{}, {}},
                  {{0, 3}, {3}}});
  op.low = low;
  op.high = high;
}

void constant(std::string name, DifferentiableFunction f, std::vector<Shape> shapes) {
  add(std::move(name), std::move(f), {std::move(shapes)}).constant = true;
}

/// `minimum` elements are needed to be reduced into one.
void reduction(const std::string& name, const Reduce& f, std::int64_t minimum = 0, double low = -2,
               double high = 2) {
  for (bool keepdims : {false, true}) {
    const auto over = [&](const Axes& axes, std::vector<std::vector<Shape>> shapes) -> Operation& {
      auto& op = on_one(
          name, [f, axes, keepdims](const Tensor& x) { return f(x, axes, keepdims); }, std::move(shapes));
      op.low = low;
      op.high = high;
      return op;
    };
    over({}, {{{3, 4}}, {{2, 1, 3}}}).repeats = false;
    if (minimum <= 1) over({}, {{{}}, {{1}}, {{1, 1}}});
    if (minimum == 0) over({}, {{{0}}, {{2, 0}}});
    over(-1, {{{3, 4}}, {{2, 2, 3}}, {{0, 3}}});
    over({0, 2}, {{{2, 3, 2}}}).repeats = false;
    over(1, {{{2, 3, 2}}, {{2, 5}}});
    if (minimum == 0) over(1, {{{2, 0, 2}}});
  }
}

Tensor whole(std::initializer_list<double> values) { return tensor(values, DType::int64); }

void add_arithmetic() {
  binary("operator+", [](auto& a, auto& b) { return a + b; });
  binary("operator-", [](auto& a, auto& b) { return a - b; });
  binary("operator*", [](auto& a, auto& b) { return a * b; });
  binary(
      "operator/", [](auto& a, auto& b) { return a / b; }, 0.5, 2);
  binary("operator+=", [](Tensor a, auto& b) { return a += b; });
  binary("operator-=", [](Tensor a, auto& b) { return a -= b; });
  binary("operator*=", [](Tensor a, auto& b) { return a *= b; });
  binary(
      "operator/=", [](Tensor a, auto& b) { return a /= b; }, 0.5, 2);
  unary("operator*", [](auto& x) { return x * x; });
  unary(
      "operator/", [](auto& x) { return 2 / x - x / 2.0; }, 0.5, 2);
  binary(
      "pow", [](auto& a, auto& b) { return pow(a, b); }, 0.5, 2);
  unary("pow", [](auto& x) { return pow(x, 3) + pow(x, 1) + pow(x, 0); });
  unary("pow", [](auto& x) { return pow(2.0, x); });
  binary("maximum", maximum);
  binary("minimum", minimum);
  binary("where", [](auto& a, auto& b) { return where(a < b, square(a), a * b); });
  add("where",
      [](Inputs x) {
        return where(tensor({1, 0, 1}, DType::int64), x[0], x[1]);
      },
      {{{2, 3}, {3}}, {{2, 1}, {}}, {{3}, {3}}});
  constant("equal", [](Inputs x) { return equal(x[0], x[1]); }, {{2, 3}, {3}});
  constant("not_equal", [](Inputs x) { return not_equal(x[0], x[1]); }, {{2, 3}, {3}});
  constant("operator<", [](Inputs x) { return x[0] < x[1]; }, {{2, 3}, {3}});
  constant("operator<=", [](Inputs x) { return x[0] <= x[1]; }, {{2, 3}, {3}});
  constant("operator>", [](Inputs x) { return x[0] > x[1]; }, {{2, 3}, {3}});
  constant("operator>=", [](Inputs x) { return x[0] >= x[1]; }, {{2, 3}, {3}});
  constant("isfinite", [](Inputs x) { return isfinite(x[0]); }, {{2, 3}});
  constant("sign", [](Inputs x) { return sign(x[0]); }, {{2, 3}});
}

void add_unary() {
  unary("neg", neg);
  unary("operator-", [](auto& x) { return -x; });
  unary("abs", rill::abs);
  unary("square", square);
  unary("reciprocal", reciprocal, 0.5, 2);
  unary("reciprocal", reciprocal, -2, -0.5);
  unary("sqrt", rill::sqrt, 0.3, 2);
  unary("rsqrt", rsqrt, 0.3, 2);
  unary("exp", rill::exp);
  unary("expm1", rill::expm1);
  unary("log", rill::log, 0.3, 2);
  unary("log1p", rill::log1p, -0.7, 2);
  unary("sin", rill::sin);
  unary("cos", rill::cos);
  unary("erf", rill::erf);
  unary("clamp", [](auto& x) { return clamp(x, -0.9, 0.7); });
  unary("tanh", rill::tanh);
  unary("sigmoid", sigmoid);
  unary("relu", relu);
  unary("leaky_relu", [](auto& x) { return leaky_relu(x, 0.2); });
  unary("elu", [](auto& x) { return elu(x, 0.7); });
  unary("gelu", gelu);
  unary("softplus", softplus);
  unary("cast", [](auto& x) { return cast(x, DType::float64); });
  constant("cast", [](Inputs x) { return cast(x[0], DType::int64); }, {{2, 3}});
  unary("on_gradient", [](auto& x) { return on_gradient(x, [](const Tensor& g) { return g; }); });
  unary("scale_gradient", [](auto& x) { return scale_gradient(x, 1); });
  unary("reverse_gradient", [](auto& x) { return reverse_gradient(x, -1); });
  unary("clip_gradient_value", [](auto& x) { return clip_gradient_value(x, 1e3); });
  unary("clip_gradient_norm", [](auto& x) { return clip_gradient_norm(x, 1e3); });
  unary("add_gradient_noise", [](auto& x) { return add_gradient_noise(x, 0); });
  constant("stop_gradient", [](Inputs x) { return stop_gradient(x[0]); }, {{2, 3}});
}

void add_reductions() {
  reduction("sum", [](auto& x, auto& axes, bool keepdims) { return sum(x, axes, {keepdims}); });
  reduction(
      "mean", [](auto& x, auto& axes, bool keepdims) { return mean(x, axes, {keepdims}); }, 1);
  reduction("prod", [](auto& x, auto& axes, bool keepdims) { return prod(x, axes, {keepdims}); });
  reduction(
      "max", [](auto& x, auto& axes, bool keepdims) { return max(x, axes, {keepdims}); }, 1);
  reduction(
      "min", [](auto& x, auto& axes, bool keepdims) { return min(x, axes, {keepdims}); }, 1);
  reduction(
      "logsumexp", [](auto& x, auto& axes, bool keepdims) { return logsumexp(x, axes, {keepdims}); }, 1);
  reduction(
      "variance",
      [](auto& x, auto& axes, bool keepdims) { return variance(x, axes, {.keepdims = keepdims}); }, 2);
  reduction(
      "variance",
      [](auto& x, auto& a, bool keepdims) {
        return variance(x, a, {0, keepdims});
      },
      1);
  reduction(
      "standard_deviation",
      [](auto& x, auto& a, bool keepdims) {
        return standard_deviation(x, a, {1, keepdims});
      },
      2);
  reduction(
      "norm", [](auto& x, auto& axes, bool keepdims) { return norm(x, axes, {keepdims}); }, 1, 0.5, 2);
  constant("argmax", [](Inputs x) { return argmax(x[0], 1); }, {{2, 3}});
  for (int axis : {0, -1}) {
    const std::vector<std::vector<Shape>> shapes = {{{3, 4}}, {{2, 2, 3}}, {{1}}, {{0, 3}}};
    on_one(
        "cumsum", [axis](auto& x) { return cumsum(x, axis); }, shapes);
    on_one(
        "softmax", [axis](auto& x) { return softmax(x, axis); }, shapes);
    on_one(
        "log_softmax", [axis](auto& x) { return log_softmax(x, axis); }, shapes);
  }
  add("layer_norm", [](Inputs x) { return layer_norm(x[0], x[1], x[2], 0.1); },
      {{{3, 4}, {4}, {4}},
       {{2, 2, 3}, {3}, {3}},
       {{1}, {1}, {1}},
       {{5, 19}, {19}, {19}},
       {{0, 3}, {3}, {3}},
       {{3, 0}, {0}, {0}}});
  add("layer_norm_add", [](Inputs x) { return layer_norm_add(x[0], x[1], x[2], x[3], 0.1); },
      {{{3, 4}, {4}, {4}, {3, 4}}, {{2, 2, 3}, {3}, {3}, {2, 2, 3}}, {{9, 17}, {17}, {17}, {9, 17}}});
  on_one("sum_to", [](auto& x) { return sum_to(x, {3, 1}); }, {{{3, 4}}, {{2, 3, 2}}, {{3, 1}}, {{0, 3, 2}}});
  on_one("sum_to", [](auto& x) { return sum_to(x, {}); }, {{{3, 4}}, {{}}, {{1}}, {{0}}});
}

void add_matmul() {
  const auto product = [](Inputs x) { return matmul(x[0], x[1]); };
  add("matmul", product,
      {{{3, 4}, {4, 2}}, {{1, 1}, {1, 1}}, {{0, 3}, {3, 2}}, {{3, 0}, {0, 2}}, {{2, 3}, {3, 0}}});
  add("matmul", product, {{{2, 3, 2}, {2, 2}}, {{2, 1, 2, 3}, {3, 2}}, {{0, 2, 3}, {3, 2}}});
  add("matmul", product,
      {{{2, 3, 2}, {2, 2, 2}}, {{2, 3}, {2, 3, 2}}, {{2, 1, 2, 2}, {3, 2, 2}}, {{1, 2, 3}, {2, 3, 1}}});
  add("matmul", product,
      {{{3}, {3}}, {{3}, {3, 2}}, {{2, 3}, {3}}, {{2, 2, 3}, {3}}, {{3}, {2, 3, 2}}, {{1}, {1}}});
  on_one("matmul", [](auto& x) { return matmul(x, matmul(x, x)); }, {{{3, 3}}});
  add("matmul_add", [](Inputs x) { return matmul_add(x[0], x[1], x[2]); },
      {{{3, 4}, {4, 2}, {3, 2}},
       {{3, 4}, {4, 2}, {2}},
       {{3, 4}, {4, 2}, {3, 1}},
       {{3, 4}, {4, 2}, {}},
       {{4}, {4, 2}, {2}},
       {{2, 3, 2}, {2, 2}, {2}},
       {{2, 3, 2}, {2, 2}, {2, 1, 2}},
       {{2, 1, 2}, {2, 2}, {1, 2}},
       {{1, 1}, {1, 1}, {1}},
       {{0, 3}, {3, 2}, {2}}});
  add("outer", [](Inputs x) { return outer(x[0], x[1]); }, {{{3}, {2}}, {{1}, {1}}, {{0}, {2}}});
}

void add_shapes() {
  on_one("reshape", [](auto& x) { return reshape(x, {2, -1}); }, {{{3, 4}}, {{2, 2, 3}}, {{4}}});
  on_one("reshape", [](auto& x) { return reshape(x, {1, x.count()}); }, {{{}}, {{1}}, {{0, 2}}});
  on_one("transpose", [](auto& x) { return transpose(x); }, {{{3, 4}}, {{2, 2, 3}}, {{1, 1}}, {{0, 2}}});
  on_one("transpose", [](auto& x) { return transpose(x, 0, 2); }, {{{2, 2, 3}}});
  on_one("permute", [](auto& x) { return permute(x, {2, 0, -2}); }, {{{2, 3, 2}}, {{1, 1, 1}}, {{2, 0, 3}}});
  on_one("expand", [](auto& x) { return expand(x, {2, 3, 2}); }, {{{3, 2}}, {{3, 1}}, {{1}}, {{}}});
  on_one("expand", [](auto& x) { return expand(x, {2, 0}); }, {{{0}}, {{1}}});
  on_one("squeeze", [](auto& x) { return squeeze(x); }, {{{1, 3, 1}}, {{2, 3}}, {{1}}, {{}}, {{0, 1}}});
  on_one("squeeze", [](auto& x) { return squeeze(x, {0, -1}); }, {{{1, 3, 1}}, {{1, 2, 2, 1}}});
  on_one("unsqueeze", [](auto& x) { return unsqueeze(x, -1) * unsqueeze(x, 0); },
         {{{3}}, {{2, 2}}, {{}}, {{0}}});
  on_one("flip", [](auto& x) { return flip(x); }, {{{3, 4}}, {{1}}, {{}}, {{0, 2}}});
  on_one("flip", [](auto& x) { return flip(x, -1); }, {{{3, 4}}, {{2, 2, 3}}});
  on_one("contiguous", [](auto& x) { return contiguous(x) * contiguous(transpose(x)); },
         {{{3, 3}}, {{1, 1}}, {{0, 0}}});
}

void add_parts() {
  on_one("slice", [](auto& x) { return slice(x, 0, {1, 3}); }, {{{4, 3}}, {{5}}, {{1, 2}}, {{0, 3}}});
  on_one("slice", [](auto& x) { return slice(x, -1, {.step = 2}); }, {{{2, 5}}, {{1}}, {{2, 0}}});
  on_one("slice", [](auto& x) { return slice(x, 1, {-1, 0, -2}); }, {{{2, 5}}, {{2, 4, 2}}});
  on_one("slice", [](auto& x) { return slice(x, {{}, 1, {0, 3, 2}}); }, {{{2, 3, 4}}, {{0, 2, 3}}});
  on_one("select", [](auto& x) { return select(x, 0, -1); }, {{{3, 2}}, {{4}}, {{1}}, {{2, 0}}});
  on_one("select", [](auto& x) { return select(x, 1, 0) * select(x, 1, 1); }, {{{3, 2}}, {{2, 2, 2}}});
  const auto chained = [](const std::vector<Tensor>& parts) {
    Tensor y = parts[0];
    for (std::size_t i = 1; i < parts.size(); ++i) y = square(y) + parts[i];
    return y;
  };
  on_one("unbind", [chained](auto& x) { return chained(unbind(x)); }, {{{4, 3}}, {{3}}, {{1, 2}}, {{2, 0}}});
  on_one("unbind", [chained](auto& x) { return chained(unbind(x, -1)); }, {{{2, 4}}});
  on_one("split", [chained](auto& x) { return chained(split(x, 2)); }, {{{3, 4}}, {{2}}, {{2, 0}}});
  on_one("split",
         [](auto& x) {
           return split(x, {3, 0, 1}, 0)[0] * split(x, {3, 1}, 0)[1];
         },
         {{{4, 2}}, {{4}}});
  on_one("unslice", [](auto& x) { return unslice(x, {7, 2}, 0, 5, -2); }, {{{3, 2}}, {{1, 2}}, {{0, 2}}});
  on_one("unslice", [](auto& x) { return unslice(x, {2, 3}, -1, 1); }, {{{2, 2}}, {{2, 1}}});
  on_one("pad", [](auto& x) { return pad(x, {{1, 2}, {0, 1}}, 0.5); }, {{{3, 2}}, {{1, 1}}, {{0, 2}}});
  on_one("pad", [](auto& x) { return pad(x, {}); }, {{{}}});
  add("concat",
      [](Inputs x) {
        return concat({x[0], x[1], square(x[0])}, 0);
      },
      {{{2, 3}, {1, 3}}, {{1}, {1}}, {{0, 2}, {3, 2}}});
  add("concat", [](Inputs x) { return concat({x[0], x[1]}, -1); }, {{{2, 3}, {2, 1}}, {{2, 0}, {2, 2}}});
  add("stack",
      [](Inputs x) {
        return stack({x[0], x[1], x[0] * x[1]}, 0);
      },
      {{{2, 3}, {2, 3}}, {{}, {}}, {{1}, {1}}, {{0}, {0}}});
  add("stack", [](Inputs x) { return stack(x, -1); }, {{{2, 3}, {2, 3}}, {{}, {}}});
}

void add_indexed() {
  const Tensor rows = whole({2, 0, 2, -1});
  const Tensor table_of_rows = reshape(whole({0, 1, 1, 2}), {2, 2});
  on_one("index_select", [rows](auto& x) { return index_select(x, 0, rows); }, {{{3, 2}}, {{3}}, {{3, 0}}});
  on_one("index_select", [rows](auto& x) { return index_select(x, 1, rows); }, {{{2, 3}}, {{2, 4, 2}}});
  on_one("index_select", [table_of_rows](auto& x) { return index_select(x, -1, table_of_rows); }, {{{2, 3}}});
  on_one("index_select", [](auto& x) { return index_select(x, 0, Tensor::empty({0}, DType::int64)); },
         {{{3, 2}}});
  on_one("index_select", [](auto& x) { return index_select(x, 0, tensor({0}, DType::int64)); }, {{{1}}});
  on_one("index_add", [rows](auto& x) { return index_add(x, {3, 2}, 0, rows); }, {{{4, 2}}});
  on_one("index_add",
         [table_of_rows](auto& x) {
           return index_add(x, {2, 3}, 1, table_of_rows);
         },
         {{{2, 2, 2}}});
  on_one("gather",
         [](auto& x) {
           return gather(x, 0, reshape(whole({0, 2, 2, 1}), {2, 2}));
         },
         {{{3, 2}}, {{3, 3}}});
  on_one("gather",
         [](auto& x) {
           return gather(x, -1, reshape(whole({0, -1}), {2, 1}));
         },
         {{{2, 3}}, {{2, 1}}});
  add("scatter_add",
      [](Inputs x) {
        return scatter_add(x[0], 0, reshape(whole({0, 2, 0, 1}), {2, 2}), x[1]);
      },
      {{{3, 2}, {2, 2}}});
  add("scatter_add", [](Inputs x) { return scatter_add(x[0], 0, whole({0}), x[1]); }, {{{1}, {1}}});
  constant("one_hot", [](Inputs x) { return one_hot(cast(x[0] * 0, DType::int64), 3); }, {{2, 3}});
}

}  // namespace

const std::vector<Operation>& operations() {
  if (table.empty()) {
    add_arithmetic();
    add_unary();
    add_reductions();
    add_matmul();
    add_shapes();
    add_parts();
    add_indexed();
  }
  return table;
}

Tensor input(const Shape& shape, double low, double high, Layout layout) {
  static Generator generator(7);
  Shape sizes = shape;
  switch (layout) {
    case Layout::contiguous:
      break;
    case Layout::transposed:
      std::reverse(sizes.begin(), sizes.end());
      break;
    case Layout::broadcast:
      if (sizes.size() > 0 && sizes[0] > 0) sizes[0] = 1;
      break;
    case Layout::reversed_steps:
      if (sizes.size() > 0) sizes.back() = 2 * sizes.back();
      break;
  }
  Tensor x = generator.uniform(sizes, low, high, DType::float64);
  if (layout == Layout::transposed) {
    Dims order;
    for (int i = shape.size() - 1; i >= 0; --i) order.push_back(i);
    x = permute(x, Axes(order));
  }
  if (layout == Layout::broadcast) x = expand(x, shape);
  if (layout == Layout::reversed_steps && shape.size() > 0) x = slice(x, -1, {.step = -2});
  return x;
}

}  // namespace rill::test
