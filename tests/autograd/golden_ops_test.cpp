// Values and gradients of operations at awkward points, beside PyTorch's (tests/golden/ops.py).

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "tests/catch.h"

using namespace rill;
using nlohmann::json;

namespace {

Tensor read(const json& stored) {
  Shape shape;
  for (std::int64_t size : stored.at("shape")) shape.push_back(size);
  if (stored.at("dtype") == "int64")
    return Tensor::from(stored.at("data").get<std::vector<std::int64_t>>(), shape);
  return Tensor::from(stored.at("data").get<std::vector<double>>(), shape);
}

std::map<std::string, Tensor> read_all(const json& stored) {
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, value] : stored.items()) tensors[name] = read(value);
  return tensors;
}

Axes axes(const json& options) {
  Dims list;
  if (!options.at("axes").is_null())
    for (std::int64_t axis : options.at("axes")) list.push_back(axis);
  return Axes(list);
}

Tensor apply(const std::string& op, const json& o, std::map<std::string, Tensor>& in) {
  using Unary = Tensor (*)(const Tensor&);
  static const std::map<std::string, Unary> unary = {
      {"sigmoid", sigmoid}, {"tanh", rill::tanh}, {"softplus", softplus}, {"gelu", gelu},
      {"erf", rill::erf},   {"exp", rill::exp},   {"expm1", rill::expm1}, {"log1p", rill::log1p},
      {"log", rill::log},   {"sqrt", rill::sqrt}, {"rsqrt", rsqrt},       {"sin", rill::sin},
      {"cos", rill::cos}};
  const Tensor& x = in.at("x");
  if (unary.contains(op)) return unary.at(op)(x);
  if (op == "elu") return elu(x, o.value("alpha", 1.0));
  if (op == "leaky_relu") return leaky_relu(x, o.at("slope"));
  if (op == "pow")
    return pow(x, in.contains("exponent") ? in.at("exponent") : Tensor(o.at("exponent").get<double>()));
  if (op == "logsumexp") return logsumexp(x, axes(o));
  if (op == "softmax") return softmax(x, o.at("axis").get<int>());
  if (op == "log_softmax") return log_softmax(x, o.at("axis").get<int>());
  if (op == "cumsum") return cumsum(x, o.at("axis").get<int>());
  if (op == "prod") return prod(x, axes(o));
  if (op == "variance") return variance(x, axes(o), {o.at("correction"), o.at("keepdims")});
  if (op == "standard_deviation")
    return standard_deviation(x, axes(o), {o.at("correction"), o.at("keepdims")});
  if (op == "norm") return norm(x, axes(o), {o.at("keepdims")});
  if (op == "gather") return gather(x, o.at("axis").get<int>(), in.at("index"));
  if (op == "scatter_add") return scatter_add(x, o.at("axis").get<int>(), in.at("index"), in.at("source"));
  if (op == "index_select") return index_select(x, o.at("axis").get<int>(), in.at("index"));
  if (op == "layer_norm") {
    const Tensor spread =
        sqrt(variance(x, -1, {.correction = 0, .keepdims = true}) + o.at("epsilon").get<double>());
    return (x - mean(x, -1, {.keepdims = true})) / spread * in.at("scale") + in.at("shift");
  }
  FAIL("no operation for " << op);
  return x;
}

void check(const Tensor& found, const Tensor& expected, double relative) {
  REQUIRE(found.shape() == expected.shape());
  const auto a = found.to_vector<double>(), b = expected.to_vector<double>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("element " << i);
    CHECK(a[i] == Approx(b[i]).epsilon(relative).margin(1e-14));
  }
}

}  // namespace

TEST_CASE("operations and their gradients are PyTorch's", "[autograd][ops][golden]") {
  const json golden = json::parse(std::ifstream(RILL_SOURCE_DIR "/tests/golden/ops.json"));
  for (const json& c : golden.at("cases")) {
    const std::string name = c.at("name");
    INFO(name << " " << c.at("options").dump());
    // Rows far from 0 cancel in both programs, in their own ways.
    double relative = 1e-12;
    if (name == "layer_norm") relative = 1e-10;
    if (name.find("far from 0") != std::string::npos) relative = 1e-6;
    Tape tape;
    auto inputs = read_all(c.at("inputs"));
    std::vector<Tensor> sources;
    for (auto& [key, x] : inputs) sources.push_back(x = tape.watch(x));
    auto operands = inputs;
    operands.merge(read_all(c.at("constants")));
    const Tensor y = apply(c.at("op"), c.at("options"), operands);
    check(y, read(c.at("output")), relative);
    const auto gradients = tape.gradient({y, read(c.at("cotangent"))}, sources);
    std::size_t i = 0;
    for (const auto& [key, x] : inputs) {
      INFO("gradient with respect to " << key);
      check(gradients[i++], read(c.at("gradients").at(key)), relative);
    }
  }
}
