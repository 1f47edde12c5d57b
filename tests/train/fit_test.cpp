#include "rill/train/fit.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "rill/autograd/ops.h"
#include "rill/nn/dropout.h"
#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/nn/lstm.h"
#include "rill/nn/model.h"
#include "rill/optim/adam.h"
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
  o.resume = "/no/such/file.json";
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    "/no/such/file.json: cannot open the checkpoint: No such file or directory");
  o = options(1);
  o.callbacks = {train::early_stopping()};
  CHECK_THROWS_WITH(train::fit(model, training, o),
                    "callback: there is no metric \"val_loss\" to watch; this run has loss, accuracy");
}
