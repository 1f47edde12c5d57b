// The code of the documentation, compiled and run: every block of C++ in README.md and docs/ stands in this
// file or in tests/readme.cpp, word by word but for line breaks and comments.

#include <rill/rill.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/catch.h"

using namespace rill;

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Without comments, and without white space but one blank between words.
std::string essence(const std::string& code) {
  std::string text = std::regex_replace(code, std::regex("//[^\n]*"), "");
  text = std::regex_replace(text, std::regex("\\s+"), " ");
  return std::regex_replace(text, std::regex(" ?([^A-Za-z0-9_ ]) ?"), "$1");
}

std::vector<std::string> blocks(const std::string& page) {
  std::vector<std::string> out;
  const std::string begin = "```cpp\n", end = "```";
  for (std::size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at)) {
    at += begin.size();
    out.push_back(page.substr(at, page.find(end, at) - at));
  }
  return out;
}

struct Classifier {
  nn::LSTM lstm{28, 8};
  nn::Linear output{8, 10};

  Tensor operator()(const Tensor& rows) const { return output(lstm(rows).last); }
  nn::Fields fields() { return {{"lstm", lstm}, {"output", output}}; }
};

/// While this lives, files are written to a folder of this process.
class InOwnFolder {
 public:
  InOwnFolder() {
    std::filesystem::create_directories(folder_);
    std::filesystem::current_path(folder_);
  }
  ~InOwnFolder() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("rill-docs-" + std::to_string(::getpid()));
};

Tensor random_rows(std::int64_t time = 5) { return Generator(1).uniform({2, time, 28}); }
Tensor some_labels() { return Tensor::from(std::vector<std::int64_t>{3, 7}); }

}  // namespace

TEST_CASE("every block of C++ in the documentation is compiled", "[docs]") {
  const std::filesystem::path root = RILL_SOURCE_DIR;
  std::string compiled;
  for (const char* source : {"tests/docs_test.cpp", "tests/readme.cpp"})
    compiled += essence(read(root / source));
  std::vector<std::filesystem::path> pages = {root / "README.md"};
  for (const auto& entry : std::filesystem::directory_iterator(root / "docs"))
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  std::size_t found = 0;
  for (const auto& page : pages)
    for (const std::string& block : blocks(read(page))) {
      INFO(page << ":\n" << block);
      CHECK(compiled.find(essence(block)) != std::string::npos);
      ++found;
    }
  CHECK(found >= 6);
}

TEST_CASE("README: the loop with nothing hidden", "[docs]") {
  Classifier model, before = model;
  const data::Dataset training(random_rows(), some_labels());
  optim::Adam adam{{.learning_rate = 1e-4, .decay = 1e-6}};
  for (const auto& [images, labels] : training.shuffled().batches(32)) {
    Tape tape;
    Tensor loss = nn::cross_entropy(model(images), labels);
    adam.update(model, tape.gradient(loss));
  }
  CHECK(!nn::equal(before, model));
}

TEST_CASE("docs/gradient-flow.md: traces", "[docs]") {
  Classifier model;
  const nn::LSTM& lstm = model.lstm;
  const nn::Linear& head = model.output;
  const Tensor x = random_rows(), labels = some_labels();
  Tape tape;
  auto run = lstm.trace(x);
  Tensor loss = nn::cross_entropy(head(run.last), labels);
  std::vector<Tensor> dh = tape.gradient(loss, run.hidden);
  std::vector<Tensor> df = tape.gradient(loss, run.cells[0]["forget"]);
  CHECK(dh.size() == 5);
  CHECK(df.size() == 5);
}

TEST_CASE("docs/gradient-flow.md: where did the NaN come from", "[docs]") {
  Classifier model, before = model;
  optim::Adam adam{{}};
  const Tensor x = random_rows();
  const auto loss = [](const Tensor& logits) { return nn::cross_entropy(logits, some_labels()); };
  Tape tape;
  tape.check_finite(nn::names(model));
  adam.update(model, tape.gradient(loss(model(x))));
  CHECK(!nn::equal(before, model));
}

TEST_CASE("docs/gradient-flow.md: the report", "[docs]") {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) {
    WARN("gnuplot is not installed: the report is not written");
    return;
  }
  const InOwnFolder folder;
  const std::vector<double> median = {0.1, 0.3, 1}, least = {0.05, 0.2, 1}, greatest = {0.2, 0.4, 1};
  const std::vector<std::vector<double>> gates = {{0.1, 0.9}, {0.4, 0.6}};
  flow::Report report("Why does this RNN not learn?");
  report.section("At initialisation")
      .add(flow::LinePlot{
          .title = "Gradient norm over time",
          .caption = "A line that falls to the left is a gradient that vanishes.",
          .x_label = "time step t",
          .y_label = "norm of dL/dh(t)",
          .logarithmic = true,
          .series = {{.name = "median of 10 seeds", .y = median, .lower = least, .upper = greatest}}})
      .add(flow::HeatMap{.title = "Forget gate",
                         .x_label = "time step t",
                         .y_label = "unit",
                         .value_label = "activation",
                         .rows = gates,
                         .low = 0,
                         .high = 1});
  report.save("rnn.html");
  CHECK(std::filesystem::exists("rnn.html"));
}

TEST_CASE("docs/gradient-flow.md: Jacobians", "[docs]") {
  const nn::LSTM lstm(28, 8);
  const Tensor x = random_rows(60);
  const Tensor jacobians = flow::state_jacobians(lstm, x);
  const Tensor bands = flow::log_singular_values_to_last(jacobians);
  const flow::ScaledMatrices span = flow::product_of_jacobians(jacobians, 10, 60);
  CHECK(bands.shape() == Shape{60, 2, 16});
  CHECK(span.matrix.shape() == Shape{2, 16, 16});
}

namespace {

Tensor loss_of(const Classifier& model) { return nn::cross_entropy(model(random_rows()), some_labels()); }

}  // namespace

TEST_CASE("docs/gradient-flow.md: norms over time", "[docs]") {
  Classifier model;
  const Tensor images = random_rows(), labels = some_labels();
  flow::GradientNorms norms;
  Tape tape;
  const Tensor loss = nn::cross_entropy(model(images), labels);
  const Gradients gradients = tape.gradient(loss);
  const Tensor hidden = norms.cells()[0][0];
  CHECK(hidden.shape() == Shape{5, 2});
  CHECK(gradients.size() == 5);
}

TEST_CASE("docs/gradient-flow.md: credit", "[docs]") {
  Classifier model;
  flow::Credit credit(model.lstm);
  Tape tape;
  const Gradients gradients = tape.gradient(loss_of(model));
  const Tensor by_step = credit.norms(model.lstm.cells()[0].recurrent);
  CHECK(by_step.shape() == Shape{5});
  CHECK(gradients.size() == 5);
}

TEST_CASE("docs/gradient-flow.md: the Hessian", "[docs]") {
  nn::Linear model(3, 1);
  const Tensor x = Generator(1).normal({4, 3}), y = zeros({4, 1});
  const auto spectrum = flow::hessian_spectrum(
      model, [&] { return nn::mse(model(x), y); }, 3);
  CHECK(spectrum.largest.size() == 3);
}

TEST_CASE("docs/gradient-flow.md: truncated backpropagation through time", "[docs]") {
  struct Truncated {
    nn::LSTM lstm{28, 8};
    nn::Fields fields() { return {{"lstm", lstm}}; }
  } model, before = model;
  const nn::LSTM& lstm = model.lstm;
  const std::int64_t time = 100;
  const Tensor x = random_rows(time);
  optim::Adam optimizer{{}};
  const auto loss_of = [](const Tensor& outputs) { return mean(square(outputs)); };
  std::vector<nn::LSTM::State> state;
  for (std::int64_t begin = 0; begin < time; begin += 50) {
    Tape tape;
    const auto run = lstm(slice(x, 1, {begin, begin + 50}), {.initial = state});
    optimizer.update(model, tape.gradient(loss_of(run.outputs)));
    state = run.state;
  }
  CHECK(!nn::equal(before, model));
}

namespace {

struct Adder {
  nn::RNN layer{2, 128};
  nn::Linear output{128, 1};

  Tensor operator()(const Tensor& x) const { return output(layer(x).last); }
  nn::Fields fields() { return {{"layer", layer}, {"output", output}}; }
};

}  // namespace

TEST_CASE("docs/gradient-flow.md: why does this RNN not learn?", "[docs]") {
  rill::seed(1);
  Adder model;
  const data::Dataset training = data::adding_problem({.length = 100, .examples = 64, .seed = 1});
  const InOwnFolder folder;
  flow::Record record;
  train::fit(
      model, training,
      {.loss = nn::mse,
       .optimizer = optim::Adam{{.learning_rate = 1e-3, .clip = {.global_norm = 1}}},
       .callbacks = {flow::record_update_ratios(record, 100), flow::record_gradient_norms(record, 100)}});
  record.save_csv("rnn");

  const auto [x, y] = training.rows(0, 32);
  Tape tape;
  const auto run = model.layer.trace(x);
  const Tensor loss = nn::mse(model.output(run.last), y);
  const Tensor norms = flow::norms_over_time(tape.gradient(loss, run.hidden));
  const auto decay = flow::fit_decay(norms);
  const auto spectrum = flow::lyapunov_spectrum(model.layer, slice(x, 0, {0, 1}), {.exponents = 1});
  const double memory = flow::memory_length(spectrum.exponents[0]);
  CHECK(decay.rate < -0.02);
  CHECK(memory < 50);
}

TEST_CASE("docs/gradient-flow.md: transforms", "[docs]") {
  const Tensor h = Generator(1).normal({1, 3}), direction = Generator(2).normal({1, 3});
  const Tensor weights = Generator(3).normal({3, 3});
  const Function energy = [](const Tensor& x) { return sum(square(tanh(x))); };
  const Tensor slope = grad(energy)(h);
  const auto [value, gradient] = value_and_grad(energy, h);
  const Tensor along = hvp(energy, h, direction);
  const Tensor matrix = hessian(energy, h);
  const Function step = [&](const Tensor& x) { return tanh(matmul(x, weights)); };
  const Tensor back = vjp(step, h, direction).gradient;
  const Tensor forth = jvp(step, h, direction);
  const Tensor all = jacobian(step, h);
  const auto close = [](const Tensor& a, const Tensor& b) { return max(abs(a - b)).item() < 1e-5; };
  CHECK(value.item() == energy(h).item());
  CHECK(close(slope, gradient));
  CHECK(close(along, matmul(direction, reshape(matrix, {3, 3}))));
  CHECK(close(back, matmul(direction, reshape(all, {3, 3}))));
  CHECK(close(forth, matmul(direction, transpose(reshape(all, {3, 3})))));
}
