#include "rill/train/fit.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>

#include "rill/autograd/ops.h"
#include "rill/nn/dropout.h"
#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/optim/adam.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "rill/tensor/threads.h"
#include "rill/train/callbacks.h"
#include "rill/train/checkpoint.h"
#include "tests/catch.h"

using namespace rill;
namespace fs = std::filesystem;

namespace {

struct Model {
  nn::LSTM lstm{4, 8};
  nn::Dropout drop{0.3};
  nn::Linear output{8, 2};
  Tensor operator()(const Tensor& x) const { return output(drop(lstm(x).last)); }
  nn::Fields fields() { return {{"lstm", lstm}, {"output", output}}; }
};

// Whether the mean of a sequence is positive.
data::Dataset sequences(std::int64_t n, std::uint64_t seed) {
  Generator generator(seed);
  const Tensor x = generator.normal({n, 5, 4});
  const Tensor above = mean(x, {1, 2}) > 0;
  return data::Dataset(x, cast(above, DType::int64));
}

train::FitOptions options(std::int64_t epochs) {
  return {.loss = nn::cross_entropy,
          .optimizer = optim::Adam{{.learning_rate = 1e-2}},
          .metrics = {train::accuracy},
          .epochs = epochs,
          .batch_size = 16,
          .progress = nullptr};
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct TemporaryFile {
  std::string path =
      (fs::temp_directory_path() / ("rill-fit-" + std::to_string(::getpid()) + ".json")).string();
  ~TemporaryFile() { fs::remove(path); }
};

// The checkpoint of a run from a fresh model, stopped by `stop` if given and then resumed until it is done.
std::string checkpoint_of(std::int64_t epochs, std::int64_t first_epochs,
                          const std::function<void(train::Training&)>& on_step) {
  const TemporaryFile file;
  {
    seed(3);
    Model model;
    auto first = options(first_epochs);
    first.checkpoint = file.path;
    first.validation = sequences(50, 2);
    if (on_step) first.callbacks = {{.on_step = on_step}};
    train::fit(model, sequences(100, 1), first);
  }
  if (first_epochs < epochs || on_step) {
    seed(99);  // all that matters comes from the file
    Model model;
    auto second = options(epochs);
    second.checkpoint = second.resume = file.path;
    second.validation = sequences(50, 2);
    train::fit(model, sequences(100, 1), second);
  }
  return read_text(file.path);
}

}  // namespace

TEST_CASE("fit learns, and says how well", "[train][fit]") {
  seed(1);
  Model model;
  auto o = options(30);
  o.validation = sequences(200, 2);
  const train::History history = train::fit(model, sequences(400, 1), o);
  REQUIRE(history.epochs.size() == 30);
  CHECK(history["loss"].back() < history["loss"].front());
  CHECK(history["val_accuracy"].back() > 0.85);
  const auto figures =
      train::evaluate(model, sequences(200, 2), {.loss = nn::cross_entropy, .metrics = {train::accuracy}});
  CHECK(figures[1].second == history["val_accuracy"].back());
  CHECK_THAT(history.to_csv(), ContainsSubstring("epoch,loss,accuracy,val_loss,val_accuracy\n1,"));
}

TEST_CASE("a run that was stopped and resumed gives the same file as one that never stopped",
          "[train][fit][resume]") {
  const std::string whole = checkpoint_of(4, 4, nullptr);
  SECTION("between two epochs") { CHECK((checkpoint_of(4, 2, nullptr) == whole)); }
  SECTION("by Ctrl-C in the middle of an epoch") {
    CHECK((checkpoint_of(4, 4, [](train::Training& t) {
             if (t.epoch == 2 && t.step == 3) std::raise(SIGINT);
           }) == whole));
  }
  SECTION("with another number of threads") {
    const int before = threads();
    set_threads(before == 1 ? 2 : 1);
    const std::string other = checkpoint_of(4, 4, nullptr);
    set_threads(before);
    CHECK((other == whole));
  }
}

TEST_CASE("a loss over several batches is that of the whole, however it is cut", "[train][fit][loss]") {
  const Tensor logits =
      tensor({{0.2, -1, 0.5}, {1.5, 0.3, 0}, {0, 0.1, -2}, {0.4, 0.4, 1}, {-1, 2, 0.3}}, DType::float64);
  const Tensor labels = Tensor::from(std::vector<std::int64_t>{0, 1, 2, 2, 0});
  const Tensor weights = tensor({0.3, 5, 1.2}, DType::float64);
  // Batches of the second kind hold no label that counts.
  const nn::CrossEntropyOptions loss_options = GENERATE_COPY(
      nn::CrossEntropyOptions{.class_weights = weights}, nn::CrossEntropyOptions{.ignored_index = 2});
  const train::Loss loss = [loss_options](const Tensor& p, const Tensor& t) {
    return nn::cross_entropy(p, t, loss_options);
  };
  const data::Dataset data(logits, labels);
  struct Bias {
    Parameter bias{zeros({3}, DType::float64)};
    Tensor operator()(const Tensor& x) const { return x + bias; }
    nn::Fields fields() { return {{"bias", bias}}; }
  };
  const double whole = nn::cross_entropy(logits, labels, loss_options).item();
  for (const std::int64_t batch_size : {1, 2, 3, 4, 5}) {
    Bias model;
    CHECK(train::evaluate(model, data, {.loss = loss, .batch_size = batch_size})[0].second == Approx(whole));
    auto o = options(1);
    o.loss = loss;
    o.metrics = {};
    o.optimizer = optim::SGD{{.learning_rate = 1e-12}};
    o.batch_size = batch_size;
    o.shuffle = false;
    CHECK(train::fit(model, data, o)["loss"][0] == Approx(whole));
  }
}

TEST_CASE("a loss that is a plain tensor counts by the examples of its batch", "[train][fit][loss]") {
  const data::Dataset data(reshape(tensor({1, 2, 6}), {3, 1}), zeros({3, 1}));
  struct Scale {
    Parameter scale{ones({1})};
    Tensor operator()(const Tensor& x) const { return x * scale; }
    nn::Fields fields() { return {{"scale", scale}}; }
  } model;
  const train::Loss loss = [](const Tensor& p, const Tensor&) -> Tensor { return mean(p); };
  CHECK(loss(ones({2, 1}), zeros({2, 1})).weight == 2);
  CHECK(train::evaluate(model, data, {.loss = loss, .batch_size = 2})[0].second == 3);
  CHECK_FALSE(train::Loss(nullptr));
  CHECK_FALSE(train::Loss(std::function<Tensor(const Tensor&, const Tensor&)>()));
  CHECK_FALSE(train::Loss(std::function<nn::MeanLoss(const Tensor&, const Tensor&)>()));
}

TEST_CASE("where no label counts at all the loss is not a number", "[train][fit][loss]") {
  const data::Dataset data(zeros({3, 2}), Tensor::from(std::vector<std::int64_t>{7, 7, 7}));
  nn::Linear model(2, 3);
  const train::Loss loss = [](const Tensor& p, const Tensor& t) {
    return nn::cross_entropy(p, t, {.ignored_index = 7});
  };
  CHECK(std::isnan(train::evaluate(model, data, {.loss = loss})[0].second));
  auto o = options(1);
  o.loss = loss;
  o.metrics = {};
  CHECK(std::isnan(train::fit(model, data, o)["loss"][0]));
}

namespace {

const train::Loss weighted = [](const Tensor& p, const Tensor& t) {
  return nn::cross_entropy(p, t, {.class_weights = tensor({0.3, 1.7})});
};

// A run of the third epoch's third step, of seven, and what it left.
train::FitOptions stopped_at_step_three(const std::string& path) {
  seed(3);
  Model model;
  auto o = options(4);
  o.loss = weighted;
  o.checkpoint = path;
  o.callbacks = {{.on_step = [](train::Training& t) {
    if (t.epoch == 3 && t.step == 3) std::raise(SIGTERM);
  }}};
  const train::History history = train::fit(model, sequences(100, 1), o);
  REQUIRE(history.stopped_by_signal == SIGTERM);
  REQUIRE(history.epochs.size() == 2);
  o.callbacks.clear();
  o.resume = path;
  return o;
}

}  // namespace

TEST_CASE("the mean of a weighted loss goes on to the last bit in a resumed epoch", "[train][fit][resume]") {
  const TemporaryFile file;
  seed(3);
  Model model;
  auto whole = options(4);
  whole.loss = weighted;
  const train::History expected = train::fit(model, sequences(100, 1), whole);
  const auto o = stopped_at_step_three(file.path);
  CHECK(train::fit(model, sequences(100, 1), o) == expected);
}

TEST_CASE("a run that cannot go on from a checkpoint says so, and nothing has changed",
          "[train][fit][resume][errors]") {
  const TemporaryFile file;
  auto o = stopped_at_step_three(file.path);
  const train::Checkpoint good = train::read_checkpoint(file.path);
  auto training = sequences(100, 1);
  std::string problem;
  train::Checkpoint bad = good;
  SECTION("in other batches") {
    o.batch_size = 32;
    problem =
        "it stopped in the middle of an epoch of 100 examples in shuffled batches of 16, and this run has "
        "100 examples in shuffled batches of 32";
  }
  SECTION("on other data") {
    training = sequences(101, 1);
    problem = "101 examples";
  }
  SECTION("in another order") {
    o.shuffle = false;
    problem = "in batches of 16";
  }
  SECTION("to an earlier end") {
    o.epochs = 2;
    problem = "it stands 3 steps after epoch 2, and this run ends after epoch 2";
  }
  SECTION("with another metric") {
    o.metrics.push_back(train::top_k_accuracy(2));
    problem = "without the metric \"top_2_accuracy\"";
  }
  SECTION("from a step below 0") {
    bad.step = -1;
    problem = "-1";
  }
  SECTION("from a step that the epoch does not have") {
    bad.step = bad.total_steps = 99;
    problem = "in step 99 of an epoch";
  }
  SECTION("from a step that no epoch has") {
    bad.step = bad.total_steps = std::int64_t{1} << 50;
    problem = "of an epoch";
  }
  SECTION("from fewer examples than its steps have") {
    bad.examples = 10;
    problem = "it stopped after 10 examples in step 3";
  }
  SECTION("with a loss that is not a number") {
    REQUIRE(bad.totals[0].first == "loss");
    bad.totals[0].second = std::numeric_limits<double>::quiet_NaN();
    problem = "the sum of its loss is nan";
  }
  SECTION("with a loss over less than nothing") {
    bad.loss_weight = -1;
    problem = "-1";
  }
  SECTION("from an epoch below 0") {
    bad.epoch = -1;
    problem = "-1";
  }
  SECTION("with a history of other epochs") {
    bad.history.epochs.pop_back();
    problem = "1";
  }
  SECTION("with other weights") {
    bad.weights.pop_back();
    problem = "output.bias is missing";
  }
  SECTION("with another optimiser") {
    bad.optimizer.rule = "sgd";
    problem = "sgd";
  }
  try {
    train::write_checkpoint(file.path, bad);
  } catch (const Error&) {
    return;  // what no file may hold is not even written
  }
  const std::string text = read_text(file.path);
  seed(8);
  Model model;
  Model before = model;
  const auto random = default_generator().state();
  optim::Adam optimizer{{.learning_rate = 1e-2}};
  o.optimizer = std::ref(optimizer);
  std::int64_t called = 0;
  o.callbacks = {{.on_begin = [&](train::Training&) { ++called; },
                  .name = "mine",
                  .state = [] { return nn::State(); },
                  .set_state = [&](const nn::State&) { ++called; }}};
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    ContainsSubstring(file.path) && ContainsSubstring(problem));
  CHECK(nn::equal(model, before));
  CHECK(optimizer.state().step == 0);
  CHECK(default_generator().state() == random);
  CHECK(called == 0);
  CHECK((read_text(file.path) == text));
}

TEST_CASE("between two epochs a run may go on in other batches", "[train][fit][resume]") {
  const TemporaryFile file;
  Model model;
  auto o = options(1);
  o.checkpoint = file.path;
  train::fit(model, sequences(100, 1), o);
  o.resume = file.path;
  o.epochs = 2;
  o.batch_size = 32;
  CHECK(train::fit(model, sequences(60, 1), o).epochs.size() == 2);
  CHECK(train::fit(model, sequences(60, 1), o).epochs.size() == 2);  // it is finished: nothing to do
}

TEST_CASE("a history says which signal stopped its run; then signals have their former handlers",
          "[train][fit][interrupt]") {
  Model model;
  struct sigaction before {
  }, after{};
  ::sigaction(SIGINT, nullptr, &before);
  const auto raise_in = [&](std::int64_t epoch, bool nested) {
    auto inner = options(1);
    inner.callbacks = {{.on_step = [](train::Training&) { std::raise(SIGINT); }}};
    auto o = options(5);
    o.callbacks = {{.on_epoch = [=, &model](train::Training& t) {
      if (t.epoch != epoch) return;
      if (nested)
        CHECK(train::fit(model, sequences(100, 1), inner).stopped_by_signal == SIGINT);
      else
        std::raise(SIGINT);
    }}};
    return train::fit(model, sequences(100, 1), o);
  };
  for (const bool nested : {false, true}) {
    const train::History history = raise_in(2, nested);
    CHECK(history.stopped_by_signal == SIGINT);
    CHECK(history.epochs.size() == 2);
    CHECK(history.to_json().find("signal") == std::string::npos);
    ::sigaction(SIGINT, nullptr, &after);
    CHECK(after.sa_handler == before.sa_handler);
  }
  CHECK_FALSE(train::fit(model, sequences(100, 1), options(1)).stopped_by_signal);
  // One that comes after the last step stops nothing.
  CHECK_FALSE(raise_in(5, false).stopped_by_signal);
}

TEST_CASE("early stopping ends training and can put the best weights back", "[train][callbacks]") {
  seed(2);
  Model model;
  auto o = options(50);
  o.validation = sequences(50, 2);
  std::int64_t best_epoch = 0;
  o.callbacks = {train::early_stopping({.patience = 2, .restore_best = true})};
  const train::History history = train::fit(model, sequences(100, 1), o);
  CHECK(history.epochs.size() < 50);
  const auto losses = history["val_loss"];
  best_epoch = std::min_element(losses.begin(), losses.end()) - losses.begin();
  CHECK(best_epoch + 3 == static_cast<std::int64_t>(losses.size()));
  const auto now = train::evaluate(model, sequences(50, 2), {.loss = nn::cross_entropy});
  CHECK(now[0].second == Approx(losses[static_cast<std::size_t>(best_epoch)]));
}

TEST_CASE("callbacks write checkpoints periodically and of the best epoch", "[train][callbacks]") {
  const fs::path folder = fs::temp_directory_path() / ("rill-callbacks-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  seed(2);
  Model model;
  auto o = options(4);
  o.callbacks = {train::periodic_checkpoint((folder / "at-{epoch}.json").string(), 2),
                 train::best_checkpoint((folder / "best.json").string(), {.metric = "loss"})};
  train::fit(model, sequences(100, 1), o);
  CHECK(fs::exists(folder / "at-2.json"));
  CHECK(fs::exists(folder / "at-4.json"));
  CHECK_FALSE(fs::exists(folder / "at-3.json"));
  CHECK(train::read_checkpoint((folder / "best.json").string()).epoch >= 1);
  fs::remove_all(folder);
}

TEST_CASE("a schedule sets the learning rate of each epoch", "[train][callbacks]") {
  Model model;
  auto o = options(3);
  std::vector<double> rates;
  o.callbacks = {
      train::learning_rate_schedule([](std::int64_t epoch) { return 1.0 / static_cast<double>(epoch); }),
      {.on_step = [&](train::Training& t) {
        if (t.step == 1) rates.push_back(t.optimizer.learning_rate_factor());
      }}};
  train::fit(model, sequences(32, 1), o);
  CHECK(rates == std::vector<double>{1.0, 1.0 / 2, 1.0 / 3});
}

TEST_CASE("metrics count what they say", "[train][metrics]") {
  const Tensor scores = tensor({{0.1, 0.7, 0.2}, {0.5, 0.3, 0.2}, {0.2, 0.3, 0.5}, {0.4, 0.4, 0.2}});
  const Tensor labels = Tensor::from(std::vector<std::int64_t>{1, 1, 0, 1});
  CHECK(train::accuracy.total(scores, labels) == 1);  // of equal scores the first counts
  CHECK(train::top_k_accuracy(2).total(scores, labels) == 3);
  CHECK(train::top_k_accuracy(2).name == "top_2_accuracy");
  CHECK(train::confusion_matrix(scores, labels).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{0, 0, 1, 2, 1, 0, 0, 0, 0});
  CHECK_THROWS_WITH(train::accuracy.total(scores, zeros({4})),
                    "accuracy: labels have dtype float32, expected int64");
  CHECK_THROWS_WITH(train::top_k_accuracy(0), "top_k_accuracy: k is 0; expected at least 1");
  CHECK_THROWS_AS(train::accuracy.total(Tensor(), labels), ValueError);
  CHECK_THROWS_AS(train::accuracy.total(full({}, 1), labels), ShapeError);
  // What is not a number is no prediction of the label.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor unknown = Tensor::from(std::vector<float>{nan, nan, nan, 1}, {2, 2});
  CHECK(train::accuracy.total(unknown, Tensor::from(std::vector<std::int64_t>{0, 1})) == 1);
}

TEST_CASE("a history is quoted where CSV needs it", "[train][history]") {
  train::History history{{{1, {{"loss", 0.5}, {"top 1, 2", 1}}}, {2, {{"say \"x\"\n", 2}}}}};
  CHECK(history.to_csv() == "epoch,loss,\"top 1, 2\",\"say \"\"x\"\"\n\"\n1,0.5,1,\n2,,,2\n");
  history.epochs[0].metrics = {{"epoch", 1}};
  CHECK_THROWS_AS(history.to_json(), ValueError);
  CHECK_THROWS_WITH(train::History::check_path("h.txt"),
                    "history: \"h.txt\" ends neither in .json nor in .csv");
  CHECK_THROWS_AS(train::History::check_path("/no/such/folder/h.csv"), FileError);
  const TemporaryFile file;
  train::History::check_path(file.path);
  CHECK_FALSE(fs::exists(file.path));
}

TEST_CASE("elsewhere than on a terminal progress is one line an epoch", "[train][progress]") {
  seed(1);
  Model model;
  auto o = options(2);
  o.progress = std::tmpfile();
  train::fit(model, sequences(100, 1), o);
  std::rewind(o.progress);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), o.progress));
  std::fclose(o.progress);
  CHECK_THAT(text, ContainsSubstring("Epoch 1/2 7/7 [==============================] - "));
  CHECK_THAT(text, ContainsSubstring("/step - loss: "));
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}

TEST_CASE("progress that cannot be written does not end training", "[train][progress]") {
  Model model;
  auto o = options(2);
  o.progress = std::fopen("/dev/full", "w");
  REQUIRE(o.progress);
  std::setvbuf(o.progress, nullptr, _IONBF, 0);
  CHECK(train::fit(model, sequences(32, 1), o).epochs.size() == 2);
  std::fclose(o.progress);
}

TEST_CASE("text that is not UTF-8 is refused before training begins", "[train][fit][errors]") {
  Model model;
  const Model before = model;
  const auto refused = [&](const std::function<void(train::FitOptions&)>& change,
                           const std::string& sentence) {
    train::FitOptions o = options(1);
    change(o);
    CHECK_THROWS_AS(train::fit(model, sequences(32, 1), o), ValueError);
    CHECK_THROWS_WITH(train::fit(model, sequences(32, 1), o), sentence);
    CHECK(nn::equal(model, before));
  };
  using O = train::FitOptions;
  refused(
      [](O& o) {
        o.program_options = {{"data", "/M\xfcller"}};
      },
      "fit: program_options[\"data\"]: expected UTF-8 text, found \"/M\\xfcller\"");
  refused(
      [](O& o) {
        o.program_options = {{"\xff", ""}};
      },
      "fit: a name in program_options: expected UTF-8 text, found \"\\xff\"");
  refused([](O& o) { o.metrics[0].name = "\xff"; },
          "fit: the name of a metric: expected UTF-8 text, found \"\\xff\"");
  refused([](O& o) { o.callbacks = {{.name = "\xff"}}; },
          "fit: the name of a callback: expected UTF-8 text, found \"\\xff\"");
  train::History history;
  history.epochs = {{1, {{"\xff", 0.5}}}};
  CHECK_THROWS_WITH(history.to_json(), "history: a name: expected UTF-8 text, found \"\\xff\"");
}

TEST_CASE("fit refuses options that make no sense, and a loss that is not finite", "[train][fit][errors]") {
  Model model;
  const auto training = sequences(32, 1);
  auto o = options(1);
  o.batch_size = 0;
  CHECK_THROWS_WITH(train::fit(model, training, o), "fit: batch_size is 0; expected at least 1");
  o = options(-1);
  CHECK_THROWS_WITH(train::fit(model, training, o), "fit: epochs is -1; expected 0 or more");
  o = options(1);
  o.loss = nullptr;
  CHECK_THROWS_WITH(train::fit(model, training, o), "fit: no loss is given");
  o = options(1);
  o.loss = [](const Tensor& p, const Tensor&) { return sum(log(p * 0 - 1)); };
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    ContainsSubstring("fit: the loss is") && ContainsSubstring("at step 1 of epoch 1"));
  o = options(1);
  o.loss = [](const Tensor& p, const Tensor&) { return p; };
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    "fit: the loss has shape [16, 2]; expected one number, such as the mean of these");
  CHECK_THROWS_WITH(train::evaluate(model, training, {.loss = o.loss, .batch_size = 4}),
                    "evaluate: the loss has shape [4, 2]; expected one number, such as the mean of these");
  o.loss = [](const Tensor&, const Tensor&) { return Tensor(); };
  CHECK_THROWS_WITH(train::fit(model, training, o), "fit: the loss is a tensor without a value");
  o = options(1);
  o.drop_last = true;
  CHECK_THROWS_WITH(
      train::fit(model, training.take(10), o),
      "fit: there is no batch to train on in 10 examples in shuffled batches of 16, without a last "
      "one that is not full");
  CHECK_THROWS_AS(train::fit(model, training.take(0), options(1)), ValueError);
  CHECK_THROWS_WITH(train::evaluate(model, training.take(0), {.loss = nn::cross_entropy}),
                    "evaluate: the data hold no example; expected at least one");
  o = options(1);
  o.validation = training.take(0);
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    "fit: the validation data hold no example; expected at least one");
  for (const char* name : {"accuracy", "loss", "epoch", "val_accuracy", "val_loss"}) {
    o = options(1);
    o.validation = training;
    o.metrics.push_back({name, train::accuracy.total});
    CHECK_THROWS_WITH(train::fit(model, training, o), ContainsSubstring("of a metric is taken"));
  }
  o.metrics = {{"empty", nullptr}};
  CHECK_THROWS_WITH(train::fit(model, training, o), "fit: the metric \"empty\" has no function");
  CHECK_THROWS_AS(train::evaluate(model, training, {.loss = nn::cross_entropy, .metrics = o.metrics}),
                  ValueError);
  o = options(1);
  o.resume = "/no/such/file.json";
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    "/no/such/file.json: cannot open the checkpoint: No such file or directory");
  o = options(1);
  o.callbacks = {train::early_stopping()};
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    "callback: there is no metric \"val_loss\" to watch; this run has loss, accuracy");
}
