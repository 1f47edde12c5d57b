#include "rill/train/callbacks.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <stdexcept>

#include "rill/autograd/ops.h"
#include "rill/flow/callbacks.h"
#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/nn/recurrent_observer.h"
#include "rill/optim/adam.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "rill/train/checkpoint.h"
#include "tests/catch.h"

using namespace rill;
namespace fs = std::filesystem;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

struct Model {
  nn::Linear layer{2, 1};
  Tensor operator()(const Tensor& x) const { return layer(x); }
  nn::Fields fields() { return {{"layer", layer}}; }
};

data::Dataset examples(std::int64_t n = 8) {
  Generator generator(1);
  return {generator.normal({n, 2}), generator.normal({n, 1})};
}

// Epochs of one step, each with the next of these scores.
train::FitOptions scored(const std::vector<double>& scores, std::int64_t epochs) {
  const auto next = std::make_shared<std::size_t>(0);
  const auto score = [next, scores](const Tensor&, const Tensor& targets) {
    return scores.at((*next)++) * static_cast<double>(targets.size(0));
  };
  return {.loss = nn::mse,
          .optimizer = optim::SGD{{.learning_rate = 0.1}},
          .metrics = {{"score", score}},
          .epochs = epochs,
          .batch_size = 8,
          .progress = nullptr};
}

const train::Monitor by_score{.metric = "score"};

std::vector<float> values(const Tensor& tensor) { return tensor.to_vector<float>(); }

struct Folder {
  fs::path path = fs::temp_directory_path() / ("rill-callbacks-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

std::string said_by(const std::function<void(std::FILE*)>& run) {
  std::FILE* file = std::tmpfile();
  run(file);
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

}  // namespace

TEST_CASE("a resumed run knows the best epoch of the one before", "[train][callbacks][resume]") {
  const Folder folder;
  const std::string last = folder / "last.json", best = folder / "best.json";
  const bool with_callback = GENERATE(true, false);  // without it the history says what was best
  Model model;
  auto first = scored({0.5, 0.1}, 2);
  first.checkpoint = last;
  if (with_callback) first.callbacks = {train::best_checkpoint(best, by_score)};
  train::fit(model, examples(), first);
  CHECK(train::read_checkpoint(last).callbacks.size() == (with_callback ? 1 : 0));

  Model resumed;
  auto second = scored({0.9, 0.8, 0.05}, 4);
  second.checkpoint = second.resume = last;
  second.callbacks = {train::best_checkpoint(best, by_score)};
  train::fit(resumed, examples(), second);
  if (with_callback)
    CHECK(train::read_checkpoint(best).epoch == 2);
  else
    CHECK_FALSE(fs::exists(best));
  second.epochs = 5;  // with 0.05
  train::fit(resumed, examples(), second);
  CHECK(train::read_checkpoint(best).epoch == 5);
}

TEST_CASE("early stopping goes on waiting in a resumed run, and knows the best weights",
          "[train][callbacks][resume]") {
  const Folder folder;
  const std::string last = folder / "last.json";
  const auto stopping = train::early_stopping({.monitor = by_score, .patience = 3, .restore_best = true});
  Model model;
  nn::State best;
  auto first = scored({0.5, 0.1, 0.2}, 3);
  first.checkpoint = last;
  first.callbacks = {stopping, {.on_epoch = [&](train::Training& training) {
                       if (training.epoch == 2) best = nn::state(training.model);
                     }}};
  train::fit(model, examples(), first);

  SECTION("from the checkpoint") {
    Model resumed;
    auto second = scored({0.3, 0.4, 0.5}, 10);
    second.checkpoint = second.resume = last;
    second.callbacks = {train::early_stopping({.monitor = by_score, .patience = 3, .restore_best = true})};
    CHECK(train::fit(resumed, examples(), second).epochs.size() == 5);
    CHECK(nn::differences(resumed.fields(), best).empty());
    CHECK(values(resumed.layer.kernel) == values(best[0].second));

    // It has waited long enough, so that a run from its end has nothing to do.
    second.epochs = 20;
    CHECK(train::fit(resumed, examples(), second).epochs.size() == 5);
  }
  SECTION("from the history, which has no weights") {
    train::Checkpoint without = train::read_checkpoint(last);
    without.callbacks.clear();
    train::write_checkpoint(last, without);
    Model resumed;
    auto second = scored({0.3, 0.4, 0.5}, 10);
    second.resume = last;
    second.callbacks = {stopping};
    const std::string text = said_by([&](std::FILE* file) {
      second.progress = file;
      CHECK(train::fit(resumed, examples(), second).epochs.size() == 5);
    });
    CHECK_THAT(text, ContainsSubstring("the weights of epoch 2, the best, are not known"));
  }
  SECTION("from the history, where the last epoch was the best") {
    train::Checkpoint without = train::read_checkpoint(last);
    without.callbacks.clear();
    without.history.epochs.back().metrics = {{"score", 0.01}};
    train::write_checkpoint(last, without);
    Model resumed;
    auto second = scored({0.3, 0.4, 0.5}, 10);
    second.resume = last;
    second.callbacks = {stopping};
    CHECK(train::fit(resumed, examples(), second).epochs.size() == 6);
    CHECK(values(resumed.layer.kernel) == values(without.weights[0].second));
  }
  SECTION("epochs without the metric are skipped") {
    train::Checkpoint without = train::read_checkpoint(last);
    without.callbacks.clear();
    for (auto& epoch : without.history.epochs) epoch.metrics = {{"loss", 1}};
    train::write_checkpoint(last, without);
    Model resumed;
    auto second = scored({0.9, 0.9, 0.9, 0.9}, 10);
    second.resume = last;
    second.callbacks = {stopping};
    CHECK(train::fit(resumed, examples(), second).epochs.size() == 7);
  }
}

TEST_CASE("a callback that saves before another has seen the epoch loses nothing",
          "[train][callbacks][resume]") {
  const Folder folder;
  const std::string best = folder / "best.json";
  const auto stopping = [] { return train::early_stopping({.monitor = by_score, .patience = 2}); };
  Model model;
  auto first = scored({0.5, 0.1}, 2);
  first.callbacks = {train::best_checkpoint(best, by_score), stopping()};
  train::fit(model, examples(), first);
  auto second = scored({0.2, 0.3, 0.4}, 5);
  second.resume = best;
  second.callbacks = {stopping()};
  CHECK(train::fit(model, examples(), second).epochs.size() == 4);
}

TEST_CASE("one FitOptions trains two models independently", "[train][callbacks]") {
  const auto run = [](train::FitOptions& options) {
    seed(5);
    Model model;
    const auto history = train::fit(model, examples(), options);
    return std::pair(history.epochs.size(), model.layer.kernel.value().to_vector<float>());
  };
  const std::vector<double> scores = {0.5, 0.1, 0.2, 0.6, 0.3, 0.4};
  auto options = scored(scores, 10);
  options.optimizer = optim::Adam{{.learning_rate = 0.1}};
  options.callbacks = {train::early_stopping({.monitor = by_score, .patience = 1, .restore_best = true})};
  CHECK(run(options).first == 3);
  const auto second = run(options);  // 0.6, 0.3, 0.4, and an Adam that begins anew
  CHECK(second.first == 3);
  auto alone = scored({0.6, 0.3, 0.4}, 10);
  alone.optimizer = optim::Adam{{.learning_rate = 0.1}};
  alone.callbacks = {train::early_stopping({.monitor = by_score, .patience = 1, .restore_best = true})};
  CHECK(run(alone).second == second.second);
}

TEST_CASE("what is not a number is never the best", "[train][callbacks]") {
  const Folder folder;
  Model model;
  auto options = scored({not_a_number, 0.5, not_a_number, 0.4}, 4);
  options.callbacks = {train::best_checkpoint(folder / "best.json", by_score),
                       train::early_stopping({.monitor = by_score, .patience = 2})};
  CHECK(train::fit(model, examples(), options).epochs.size() == 4);
  CHECK(train::read_checkpoint(folder / "best.json").epoch == 4);

  SECTION("and where nothing was the best the model keeps its last weights") {
    auto never = scored({not_a_number, not_a_number, not_a_number}, 3);
    never.callbacks = {train::early_stopping({.monitor = by_score, .patience = 2, .restore_best = true})};
    nn::State last;
    never.callbacks.push_back({.on_epoch = [&](train::Training& t) { last = nn::state(t.model); }});
    const std::string text = said_by([&](std::FILE* file) {
      never.progress = file;
      CHECK(train::fit(model, examples(), never).epochs.size() == 2);
    });
    CHECK_THAT(text, ContainsSubstring("score was never a number"));
    CHECK(values(model.layer.kernel) == values(last[0].second));
  }
}

namespace {

// Counts the epochs of all runs that belong together.
train::Callback counter(std::int64_t& epochs) {
  train::Callback callback;
  callback.name = "counter";
  callback.state = [&epochs] {
    return nn::State{{"epochs", Tensor::from(std::vector<std::int64_t>{epochs}, {})}};
  };
  callback.set_state = [&epochs](const nn::State& state) {
    if (!state.empty() && state[0].first != "epochs") throw ValueError("it does not count epochs");
    epochs = state.empty() ? 0 : static_cast<std::int64_t>(state[0].second.item());
  };
  callback.on_epoch = [&epochs](train::Training&) { ++epochs; };
  return callback;
}

}  // namespace

TEST_CASE("a callback of the user's own remembers, too", "[train][callbacks][resume]") {
  const Folder folder;
  std::int64_t epochs = 7;
  Model model;
  auto options = scored({1, 2, 3}, 2);
  options.checkpoint = folder / "c.json";
  options.callbacks = {counter(epochs)};
  train::fit(model, examples(), options);
  CHECK(epochs == 2);
  epochs = 0;
  options.resume = options.checkpoint;
  options.epochs = 3;
  train::fit(model, examples(), options);
  CHECK(epochs == 3);

  SECTION("and what it refuses leaves all as it was") {
    train::Checkpoint other = train::read_checkpoint(options.checkpoint);
    other.callbacks["counter"] = {{"steps", full({}, 1)}};
    other.weights[0].second = ones({2, 1});
    train::write_checkpoint(options.checkpoint, other);
    Model before = model;
    const auto random = default_generator().state();
    optim::SGD optimizer{{.learning_rate = 0.1}};
    options.optimizer = std::ref(optimizer);
    options.epochs = 4;
    CHECK_THROWS_WITH(train::fit(model, examples(), options),
                      ContainsSubstring("callback \"counter\": it does not count epochs"));
    CHECK(nn::equal(model, before));
    CHECK(optimizer.state().step == 0);
    CHECK(default_generator().state() == random);
    CHECK(epochs == 3);

    // Even where it refuses what it remembered itself.
    options.callbacks[0].set_state = [](const nn::State&) { throw ValueError("not mine"); };
    CHECK_THROWS_WITH(train::fit(model, examples(), options), "fit: callback \"counter\": not mine");
    CHECK(nn::equal(model, before));
    CHECK(optimizer.state().step == 0);
    CHECK(default_generator().state() == random);
  }
}

TEST_CASE("a callback that empties the history ends training with an error", "[train][callbacks][errors]") {
  const train::Callback empties{.on_epoch = [](train::Training& t) { t.history.epochs.clear(); }};
  const auto fit_with = [](const std::vector<train::Callback>& callbacks) {
    Model model;
    auto options = scored({1, 2}, 2);
    options.callbacks = callbacks;
    train::fit(model, examples(), options);
  };
  CHECK_THROWS_WITH(fit_with({empties}),
                    "fit: a callback left 0 epochs in the history after epoch 1; expected 1");
  CHECK_THROWS_WITH(fit_with({empties, train::early_stopping({.monitor = by_score})}),
                    "callback: the history holds no epoch, as another callback has changed it");
}

TEST_CASE("a state of early stopping that no run can have is refused", "[train][callbacks][resume]") {
  const Folder folder;
  Model model;
  auto options = scored({1, 2, 3}, 2);
  options.checkpoint = options.resume = folder / "c.json";
  options.resume.clear();
  options.callbacks = {train::early_stopping({.monitor = by_score})};
  train::fit(model, examples(), options);
  const train::Checkpoint good = train::read_checkpoint(options.checkpoint);
  options.resume = options.checkpoint;
  options.epochs = 3;
  for (const char* number : {"waited", "seen", "epoch"}) {
    CAPTURE(number);
    train::Checkpoint bad = good;
    for (auto& [name, value] : bad.callbacks.at("early_stopping of score"))
      if (name == number) value = full({}, 77, DType::int64);
    train::write_checkpoint(options.checkpoint, bad);
    const Model before = model;
    CHECK_THROWS_WITH(train::fit(model, examples(), options), ContainsSubstring("the history has 2"));
    CHECK(nn::equal(model, before));
  }
}

TEST_CASE("callbacks by which a checkpoint would not know whose state it holds are refused",
          "[train][callbacks][errors]") {
  Model model;
  std::int64_t epochs = 0;
  auto options = scored({1}, 1);
  options.callbacks = {counter(epochs), counter(epochs)};
  CHECK_THROWS_WITH(train::fit(model, examples(), options),
                    ContainsSubstring("fit: two callbacks have the name \"counter\""));
  options.callbacks = {counter(epochs)};
  options.callbacks[0].name.clear();
  CHECK_THROWS_AS(train::fit(model, examples(), options), ValueError);
  options.callbacks = {counter(epochs)};
  options.callbacks[0].set_state = nullptr;
  CHECK_THROWS_AS(train::fit(model, examples(), options), ValueError);
  for (const nn::State& state : {nn::State{{"x", Tensor()}}, nn::State{{"x", ones({})}, {"x", ones({})}}}) {
    auto saving = scored({}, 1);
    saving.callbacks = {counter(epochs)};
    saving.callbacks[0].state = [state] { return state; };
    CHECK_THROWS_WITH(train::fit(model, examples(), saving),
                      ContainsSubstring("fit: the state of callback \"counter\" has \"x\""));
  }
  CHECK_THROWS_AS(train::early_stopping({.patience = -1}), ValueError);
  CHECK_THROWS_AS(train::early_stopping({.least_improvement = not_a_number}), ValueError);
  CHECK_THROWS_AS(train::learning_rate_schedule(nullptr), ValueError);
  CHECK_THROWS_AS(flow::every(1, nullptr), ValueError);
}

TEST_CASE("the best checkpoint may lie at a path that is not UTF-8", "[train][callbacks]") {
  const Folder folder;
  Model model;
  auto options = scored({1}, 1);
  options.callbacks = {train::best_checkpoint(folder / "M\xfcller.json", by_score)};
  train::fit(model, examples(), options);
  const auto saved = train::read_checkpoint(folder / "M\xfcller.json");
  REQUIRE(saved.callbacks.size() == 1);
  CHECK_THAT(saved.callbacks.begin()->first, ContainsSubstring("M\\xfcller.json"));
}

TEST_CASE("a place where no checkpoint can be written is named before the first step",
          "[train][callbacks][errors]") {
  const Folder folder;
  std::int64_t steps = 0;
  Model model;
  auto options = scored({1}, 1);
  const train::Callback count = {.on_step = [&](train::Training&) { ++steps; }};
  const std::string none = folder / "none/c.json";
  SECTION("of fit") { options.checkpoint = none; }
  SECTION("of fit, a folder") { options.checkpoint = folder.path.string(); }
  SECTION("of best_checkpoint") { options.callbacks = {train::best_checkpoint(none, by_score)}; }
  SECTION("of periodic_checkpoint") {
    options.callbacks = {train::periodic_checkpoint(folder / "{epoch}/c.json", 2)};
  }
  options.callbacks.push_back(count);
  CHECK_THROWS_AS(train::fit(model, examples(), options), FileError);
  CHECK(steps == 0);
}

TEST_CASE("instruments count the steps of a resumed run on", "[flow][callbacks][resume]") {
  const Folder folder;
  std::vector<std::int64_t> at;
  Model model;
  auto options = scored(std::vector<double>(100, 1), 1);
  options.batch_size = 2;  // 4 steps an epoch
  options.checkpoint = folder / "c.json";
  options.callbacks = {flow::every(3, [&](train::Training&, std::int64_t step) { at.push_back(step); })};
  train::fit(model, examples(), options);
  options.resume = options.checkpoint;
  options.epochs = 3;
  train::fit(model, examples(), options);
  CHECK(at == std::vector<std::int64_t>{3, 6, 9, 12});
}

TEST_CASE("every callback that began ends, whatever fails", "[train][callbacks][errors]") {
  Model model;
  std::string events;
  const auto noted = [&](const std::string& name) {
    return train::Callback{.on_begin = [&events, name](train::Training&) { events += name + " begins "; },
                           .on_end =
                               [&events, name](train::Training& training) {
                                 events += name + (training.failed ? " fails " : " ends ");
                                 throw std::runtime_error("in on_end of " + name);
                               }};
  };
  auto options = scored({1}, 1);
  SECTION("in a step") {
    options.callbacks = {
        noted("a"), {.on_step = [](train::Training&) { throw std::domain_error("mine"); }}, noted("b")};
    CHECK_THROWS_AS(train::fit(model, examples(), options), std::domain_error);
    CHECK(events == "a begins b begins a fails b fails ");
  }
  SECTION("in on_begin") {
    options.callbacks = {
        noted("a"), {.on_begin = [](train::Training&) { throw std::domain_error("mine"); }}, noted("b")};
    CHECK_THROWS_AS(train::fit(model, examples(), options), std::domain_error);
    CHECK(events == "a begins a fails ");
  }
  SECTION("in on_end") {
    options.callbacks = {noted("a"), noted("b")};
    CHECK_THROWS_WITH(train::fit(model, examples(), options), "in on_end of a");
    CHECK(events == "a begins b begins a ends b fails ");
  }
}

TEST_CASE("an instrument watches no longer after a step that failed", "[flow][callbacks][errors]") {
  struct Recurrent {
    nn::LSTM lstm{2, 3};
    nn::Linear output{3, 1};
    nn::Fields fields() { return {{"lstm", lstm}, {"output", output}}; }
    Tensor operator()(const Tensor& x) const { return output(lstm(x).last); }
  };
  Generator generator(1);
  const data::Dataset data(generator.normal({4, 5, 2}), generator.normal({4, 1}));
  Recurrent model;
  flow::Record record;
  auto options = scored({1}, 1);
  options.callbacks = {flow::record_gradient_norms(record, 1)};
  options.loss = [](const Tensor& p, const Tensor&) { return sum(log(p * 0 - 1)); };
  CHECK(nn::RecurrentObserver::all().empty());
  CHECK_THROWS_AS(train::fit(model, data, options), ValueError);
  CHECK(nn::RecurrentObserver::all().empty());
}
