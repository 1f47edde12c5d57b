#include "rill/flow/record.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "rill/autograd/ops.h"
#include "rill/flow/callbacks.h"
#include "rill/flow/norms.h"
#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/nn/lstm.h"
#include "rill/nn/state.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "tests/catch.h"
#include "tests/folder.h"

using namespace rill;
using Values = std::vector<double>;

namespace {

struct Model {
  nn::Linear layer{2, 1};
  nn::Fields fields() { return {{"layer", layer}}; }
  Tensor operator()(const Tensor& x) const { return layer(x); }
};

data::Dataset examples() {
  Generator generator(1);
  return {generator.normal({12, 2}), generator.normal({12, 1})};
}

train::FitOptions options(std::vector<train::Callback> callbacks) {
  return {.loss = [](const Tensor& y, const Tensor& t) { return nn::mse(y, t); },
          .optimizer = optim::SGD{{.learning_rate = 0.1}},
          .epochs = 2,
          .batch_size = 2,
          .shuffle = false,
          .callbacks = std::move(callbacks),
          .progress = nullptr};
}

}  // namespace

TEST_CASE("a record keeps rows by table and gives them as JSON and CSV", "[flow][record]") {
  flow::Record record;
  record.add("ratio", {{"step", 1}, {"a,b", 0.5}});
  record.add("ratio", {{"step", 2}, {"a,b", NAN}});
  record.add("other", {{"x", 0.1}});
  CHECK(record["ratio"]["step"] == Values{1, 2});
  CHECK(flow::to_csv(record["ratio"]) == "step,\"a,b\"\n1,0.5\n2,nan\n");
  CHECK(record.to_json() == "{\"ratio\":{\"step\":[1.0,2.0],\"a,b\":[0.5,null]},\"other\":{\"x\":[0.1]}}\n");

  const auto folder =
      std::filesystem::temp_directory_path() / ("rill-record-" + std::to_string(::getpid())) / "deeper";
  record.save_csv(folder.string());
  std::ifstream file(folder / "other.csv");
  std::stringstream text;
  text << file.rdbuf();
  CHECK(text.str() == "x\n0.1\n");
  record.save_json((folder / "all.json").string());
  CHECK(std::filesystem::exists(folder / "all.json"));
  std::filesystem::remove_all(folder.parent_path());
}

TEST_CASE("a table becomes a file in the folder and nowhere else", "[flow][record][error]") {
  const Folder folder;
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("../x"),
                                  std::string("/etc/x"), std::string("a/b"), std::string("a\0b", 3)}) {
    flow::Record record;
    record.add("first", {{"x", 1}});
    record.add(name, {{"x", 1}});
    CHECK_THROWS_AS(record.save_csv(folder / "deep"), ValueError);
    CHECK(folder.files() == 0);  // nor is any of the other tables written
  }
  flow::Record record;
  record.add("...", {{"x", 1}});
  record.add("-x", {{"x", 1}});
  record.save_csv(folder / "deep");
  CHECK(std::filesystem::exists(folder / "deep/....csv"));
  CHECK(std::filesystem::exists(folder / "deep/-x.csv"));

  // As a file system that does not tell capital letters apart would.
  flow::Record twice;
  twice.add("a", {{"x", 1}});
  twice.add("A", {{"x", 2}});
  std::filesystem::create_directory(folder / "same");
  std::filesystem::create_symlink("a.csv", folder / "same/A.csv");
  CHECK_THROWS_WITH(twice.save_csv(folder / "same"),
                    ContainsSubstring("A.csv: this is the file of another table, too"));
  CHECK(read_text(folder / "same/a.csv") == "x\n1\n");
}

TEST_CASE("CSV gives names back as they are, or hides formulas where asked to", "[flow][record]") {
  flow::Record record;
  record.add("t", {{"", 1},
                   {"=1+1", 2},
                   {"@a", 3},
                   {"-b,\"c", 4},
                   {"+d", 5},
                   {"\te", 6},
                   {"f\rg", 7},
                   {"-1e-3", 8},
                   {"h=", 9}});
  CHECK(flow::to_csv(record["t"]) == ",=1+1,@a,\"-b,\"\"c\",+d,\te,\"f\rg\",-1e-3,h=\n1,2,3,4,5,6,7,8,9\n");
  const std::string safe = ",'=1+1,'@a,\"'-b,\"\"c\",'+d,'\te,\"f\rg\",-1e-3,h=\n1,2,3,4,5,6,7,8,9\n";
  CHECK(flow::to_csv(record["t"], {.escape_formulas = true}) == safe);
  const Folder folder;
  record.save_csv(folder.path(), {.escape_formulas = true});
  CHECK(read_text(folder / "t.csv") == safe);
}

TEST_CASE("a record refuses names that are not UTF-8 and two columns of one name", "[flow][record][error]") {
  flow::Record record;
  CHECK_THROWS_WITH(record.add("M\xfcller", {{"a", 1}}),
                    "record: the name of a table: expected UTF-8 text, found \"M\\xfcller\"");
  CHECK_THROWS_WITH(record.add("t", {{"a", 1}, {"\xff", 1}}),
                    "record: a column of table \"t\": expected UTF-8 text, found \"\\xff\"");
  CHECK_THROWS_WITH(record.add("t", {{"a", 1}, {"a", 2}}), "record: table \"t\" has two columns \"a\"");
  CHECK(record.tables().empty());
  CHECK(record.to_json() == "{}\n");
}

TEST_CASE("a record rejects rows of other columns and names that it lacks", "[flow][record][error]") {
  flow::Record record;
  record.add("t", {{"a", 1}});
  CHECK_THROWS_WITH(record.add("t", {{"b", 1}}),
                    "record: row 2 of table \"t\" has other columns than the first row");
  CHECK_THROWS_AS(record.add("t", {}), ValueError);
  CHECK_THROWS_AS(record["u"], ValueError);
  CHECK_THROWS_AS(record["t"]["b"], ValueError);
  CHECK_THROWS_AS(record.save_csv("/dev/null/x"), FileError);
}

TEST_CASE("every() measures at its interval, over epochs, and anew in another training",
          "[flow][callbacks]") {
  std::vector<std::int64_t> at;
  Model model;
  const auto callback = flow::every(5, [&](train::Training&, std::int64_t step) { at.push_back(step); });
  train::fit(model, examples(), options({callback}));
  CHECK(at == std::vector<std::int64_t>{5, 10});
  train::fit(model, examples(), options({callback}));
  CHECK(at == std::vector<std::int64_t>{5, 10, 5, 10});
  CHECK_THROWS_AS(flow::every(0, [](train::Training&, std::int64_t) {}), ValueError);
}

TEST_CASE("update ratios are those of the weights before and after a step", "[flow][callbacks]") {
  for (const std::int64_t interval : {1, 4}) {
    flow::Record record;
    std::vector<double> expected;
    Model model;
    Tensor before = model.layer.kernel.value();
    const train::Callback by_hand = {.on_step = [&](train::Training&) {
      const Tensor now = model.layer.kernel.value();
      expected.push_back(norm(now - before).item() / norm(before).item());
      before = now;
    }};
    train::fit(model, examples(), options({by_hand, flow::record_update_ratios(record, interval)}));
    const auto ratios = record["update_ratio"]["layer.kernel"];
    REQUIRE(ratios.size() == 12 / static_cast<std::size_t>(interval));
    for (std::size_t i = 0; i < ratios.size(); ++i)
      CHECK(ratios[i] == Approx(expected[(i + 1) * static_cast<std::size_t>(interval) - 1]).epsilon(1e-5));
    CHECK(record["update_ratio"]["step"].back() == 12);
  }
  CHECK(flow::update_ratio(zeros({2}), ones({2})) == INFINITY);
  CHECK(flow::update_ratio(zeros({2}), zeros({2})) == 0);
}

TEST_CASE("gradient noise in training is that of the sampled steps' gradients", "[flow][callbacks]") {
  flow::Record record;
  std::vector<Gradients> seen;
  Model model;
  const train::Callback by_hand = {
      .on_step = [&](train::Training& training) { seen.push_back(*training.gradients); }};
  train::fit(model, examples(), options({by_hand, flow::record_gradient_noise(record, 6, 3, 2)}));
  const auto scales = record["gradient_noise"]["noise_scale"];
  REQUIRE(scales.size() == 2);
  const auto second = flow::gradient_noise({seen[9], seen[10], seen[11]}, 2);
  CHECK(scales[1] == second.noise_scale);
  for (const auto& part : second.parameters)
    if (part.parameter == model.layer.kernel.id())
      CHECK(record["gradient_noise"]["layer.kernel"][1] == part.signal_to_noise);
  CHECK_THROWS_AS(flow::record_gradient_noise(record, 6, 1, 2), ValueError);
  CHECK_THROWS_AS(flow::record_gradient_noise(record, 2, 3, 2), ValueError);
}

TEST_CASE("gradient norms in training are those of the sampled steps' own sweeps", "[flow][callbacks]") {
  struct Recurrent {
    nn::LSTM lstm{2, 3};
    nn::Linear output{3, 1};
    nn::Fields fields() { return {{"lstm", lstm}, {"output", output}}; }
    Tensor operator()(const Tensor& x) const { return output(lstm(x).last); }
  };
  Generator generator(1);
  const data::Dataset data(generator.normal({8, 5, 2}), generator.normal({8, 1}));
  Recurrent model, untouched;
  nn::load_state(untouched, nn::state(model));

  flow::Record record;
  auto with = options({flow::record_gradient_norms(record, 3)});
  with.validation = data;
  train::fit(model, data, with);
  CHECK(record["gradient_norm.0.0"]["step"] == Values{3, 6});
  CHECK(record["gradient_norm.0.1"].columns.size() == 6);

  // The third step by hand.
  flow::GradientNorms norms;
  train::fit(untouched, data, options({{.on_step = [&](train::Training& training) {
               if (training.step == 3) {
                 training.stop = true;
                 return;
               }
               norms.begin_again();
             }}}));
  const Tensor expected = mean(norms.cells()[0][1], 1);
  for (std::int64_t t = 0; t < 5; ++t)
    CHECK(record["gradient_norm.0.1"][std::to_string(t)][0] == select(expected, 0, t).item());
}

TEST_CASE("values over time become a row, batches their means", "[flow][callbacks]") {
  flow::Record record;
  flow::add_over_time(record, "norms", 7, tensor({{1, 3}, {2, 6}}, DType::float64));
  CHECK(record["norms"].columns == std::vector<std::string>{"step", "0", "1"});
  CHECK(record["norms"].rows[0] == Values{7, 2, 4});
  flow::add_over_time(record, "norms", 8, tensor({1, 2, 3}, DType::float64));
  CHECK(record["norms"].rows[1] == Values{8, 1, 2});
  flow::add_over_time(record, "norms", 9, tensor({1}, DType::float64));
  CHECK(std::isnan(record["norms"].rows[2][2]));
  CHECK_THROWS_AS(flow::add_over_time(record, "norms", 7, full({}, 1)), ShapeError);
}
