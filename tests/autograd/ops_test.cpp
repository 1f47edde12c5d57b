#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "fmt/format.h"
#include "rill/autograd/recording.h"
#include "rill/autograd/tape.h"
#include "tests/autograd/operations.h"
#include "tests/catch.h"

using namespace rill;
using test::Layout;

namespace {

std::vector<Tensor> inputs_of(const test::Operation& op, const std::vector<Shape>& shapes, Layout layout) {
  std::vector<Tensor> inputs;
  for (const Shape& shape : shapes) inputs.push_back(test::input(shape, op.low, op.high, layout));
  return inputs;
}

std::string described(const test::Operation& op, const std::vector<Shape>& shapes, Layout layout) {
  static const char* const names[] = {"contiguous", "transposed", "broadcast", "reversed with steps of 2"};
  std::string text = fmt::format("{} of {}", op.name, names[static_cast<int>(layout)]);
  for (const Shape& shape : shapes) text += fmt::format(" {}", to_string(shape));
  return text;
}

/// What the pattern's first group matches in the files of autograd/ops with that ending.
std::set<std::string> found_in_sources(const std::string& ending, const std::string& pattern) {
  std::set<std::string> found;
  for (const auto& file : std::filesystem::directory_iterator(RILL_SOURCE_DIR "/autograd/ops")) {
    if (file.path().extension() != ending) continue;
    std::ifstream stream(file.path());
    const std::string text((std::istreambuf_iterator<char>(stream)), {});
    const std::regex regex(pattern);
    for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i) found.insert((*i)[1]);
  }
  return found;
}

}  // namespace

TEST_CASE("every operation's gradient matches central differences, twice", "[autograd][ops]") {
  for (const auto& op : test::operations()) {
    if (op.constant) continue;
    for (const auto& shapes : op.shapes) {
      for (Layout layout :
           {Layout::contiguous, Layout::transposed, Layout::broadcast, Layout::reversed_steps}) {
        if (layout == Layout::broadcast && !op.repeats) continue;
        const auto inputs = inputs_of(op, shapes, layout);
        INFO(described(op, shapes, layout));
        const auto first = gradcheck(op.f, inputs);
        if (!first) FAIL_CHECK("first derivative: " << first.message);
        const auto second = gradgradcheck(op.f, inputs);
        if (!second) FAIL_CHECK("second derivative: " << second.message);
      }
    }
  }
}

TEST_CASE("operations without a gradient give constants", "[autograd][ops]") {
  for (const auto& op : test::operations()) {
    if (!op.constant) continue;
    INFO(op.name);
    Tape tape;
    std::vector<Tensor> inputs = inputs_of(op, op.shapes[0], Layout::contiguous);
    for (Tensor& x : inputs) x = tape.watch(x);
    const Tensor y = op.f(inputs);
    CHECK(y.count() > 0);
    CHECK_FALSE(detail::is_tracked(y));
  }
}

TEST_CASE("every declared operation is in the table of checks", "[autograd][ops]") {
  const auto declared = found_in_sources(
      ".h", "\n(?:Tensor&?|std::vector<Tensor>|std::array<Tensor, Parts>) (operator[^(]+|[a-z_0-9]+)\\(");
  CHECK(declared.size() > 70);
  std::set<std::string> checked;
  for (const auto& op : test::operations()) checked.insert(op.name);
  for (const auto& name : declared) {
    INFO(name << " is declared in autograd/ops but has no check in tests/autograd/operations.cpp");
    CHECK(checked.contains(name));
  }
  for (const auto& name : checked) {
    INFO(name << " is checked but not declared");
    CHECK(declared.contains(name));
  }
}

TEST_CASE("every rule is run by some check", "[autograd][ops]") {
  std::set<std::string> recorded;
  for (const auto& op : test::operations()) {
    for (const auto& shapes : op.shapes) {
      for (Layout layout : {Layout::contiguous, Layout::transposed}) {
        Tape tape;
        std::vector<Tensor> inputs = inputs_of(op, shapes, layout);
        for (Tensor& x : inputs) x = tape.watch(x);
        op.f(inputs);
        for (const auto& entry : detail::this_thread().ops) recorded.insert(entry.name);
      }
    }
  }
  recorded.insert("cast");  // a float32 result, which central differences are too coarse for: checked below
  recorded.insert("erfc");  // a part of gelu's gradient, whose own derivative is checked
  for (const auto& name : found_in_sources(".cpp", "record\\(\\s*\"([^\"]+)\"")) {
    INFO(name);
    CHECK(recorded.contains(name));
  }
}

TEST_CASE("the gradient of a cast has the dtype of its input", "[autograd][ops]") {
  Tape tape;
  const Tensor x = tape.watch(test::input({2, 3}, -1, 1, Layout::contiguous));
  const Tensor y = cast(x, DType::float32);
  CHECK(y.dtype() == DType::float32);
  const Tensor g = tape.gradient(sum(y * y), x);
  CHECK(g.dtype() == DType::float64);
  for (std::size_t i = 0; i < 6; ++i) CHECK(g.to_vector<double>()[i] == Approx(2 * x.to_vector<double>()[i]));
}
