// Every value of a checkpoint whose checksum is right is checked for its domain.

#include <sys/stat.h>
#include <zlib.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "rill/nn/linear.h"
#include "rill/nn/model.h"
#include "rill/optim/adam.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/train/checkpoint.h"
#include "tests/catch.h"
#include "tests/folder.h"

using namespace rill;
using Json = nlohmann::ordered_json;

namespace {

train::Checkpoint good() {
  train::Checkpoint checkpoint;
  checkpoint.weights = {{"w", tensor({1, 2.5, -3})}, {"large", zeros({100})}};
  checkpoint.epoch = 2;
  checkpoint.step = 1;
  checkpoint.total_steps = 7;
  checkpoint.batching = train::Batching{.samples = 10, .batch_size = 3, .shuffle = true, .drop_last = false};
  checkpoint.examples = 3;
  checkpoint.loss_weight = 3;
  checkpoint.totals = {{"loss", 1.5}, {"accuracy", 2}};
  checkpoint.history.epochs = {{1, {{"loss", 0.5}}}, {2, {{"loss", 0.25}}}};
  checkpoint.options = {{"data", "/M\u00fcller"}};
  checkpoint.optimizer.rule = "adam";
  checkpoint.optimizer.step = 7;
  checkpoint.optimizer.parameters["w"] = {7, {{"first_moment", zeros({3})}}};
  return checkpoint;
}

// The content of a good checkpoint, to be changed.
Json content() {
  const Folder folder;
  train::write_checkpoint(folder / "c.json", good());
  return Json::parse(read_text(folder / "c.json"))["content"];
}

std::string checksum(const std::string& text) {
  return fmt::format("crc32:{:08x}", crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

// The text of a checkpoint with that content, as text too, whose checksum is right.
std::string with_content(const std::string& text) {
  return fmt::format(R"({{"format": "rill checkpoint", "schema": 1, "checksum": "{}", "content": {}}})",
                     checksum(Json::parse(text).dump()), text);
}

std::string sentence(const std::string& text) {
  const Folder folder;
  write_text(folder / "c.json", text);
  try {
    train::read_checkpoint(folder / "c.json");
  } catch (const FileError& error) {
    const std::string message = error.what(), path = folder / "c.json";
    CHECK(message.starts_with(path));
    return message.substr(std::min(message.size(), path.size() - std::string("c.json").size()));
  }
  return "";
}

using Change = std::function<void(Json&)>;

std::string after(const Change& change) {
  Json json = content();
  change(json);
  return sentence(with_content(json.dump()));
}

}  // namespace

TEST_CASE("a checkpoint with the right values is read", "[train][checkpoint]") {
  CHECK(after([](Json&) {}) == "");
  // What a file of the first version lacks.
  CHECK(after([](Json& c) {
          for (const char* key : {"total_steps", "batching", "loss_weight", "callbacks"}) c.erase(key);
        }) == "");
  // What a run may hold: figures that are not finite, no history.
  CHECK(after([](Json& c) { c["totals"]["loss"] = "nan"; }) == "");
  CHECK(after([](Json& c) { c["history"][1]["metrics"]["loss"] = "-inf"; }) == "");
  CHECK(after([](Json& c) { c["history"] = Json::array(); }) == "");
  CHECK(after([](Json& c) { c["history"].erase(0); }) == "");
  CHECK(after([](Json& c) { c["random"]["block"] = ~std::uint64_t{0}; }) == "");
}

TEST_CASE("a number of a checkpoint outside of its domain is named with what was expected",
          "[train][checkpoint][errors]") {
  const std::int64_t huge = std::int64_t{1} << 62;
  const std::string count = "expected a whole number from 0 to 2^53, found ";
  for (const char* key : {"epoch", "step", "total_steps", "examples"}) {
    const std::string where = fmt::format("c.json: content.{}: ", key) + count;
    const auto with = [&](const Json& value) { return after([&](Json& c) { c[key] = value; }); };
    CHECK(with(-1) == where + "-1");
    CHECK(with(1.5) == where + "1.5");
    CHECK(with(huge) == where + "4611686018427387904");
    CHECK(with(~std::uint64_t{0}) == where + "18446744073709551615");
    CHECK(with(1e308) == where + "1e+308");
    CHECK(with("3") == where + "\"3\"");
    CHECK(with(nullptr) == where + "null");
    CHECK(with(true) == where + "true");
    CHECK(with(Json::array({1})) == where + "a list of 1");
  }
  struct Wrong {
    Change change;
    std::string sentence;
  };
  const std::string seed = "expected a whole number from 0 to 2^64 - 1, found ";
  const std::vector<Wrong> wrong = {
      {[](Json& c) { c["random"]["seed"] = -1; }, "random.seed: " + seed + "-1"},
      {[](Json& c) { c["random"]["block"] = 1e308; }, "random.block: " + seed + "1e+308"},
      {[](Json& c) { c["epoch_random"] = 3; }, "epoch_random: expected an object, found 3"},
      {[](Json& c) { c["batching"]["samples"] = -1; }, "batching.samples: " + count + "-1"},
      {[](Json& c) { c["batching"]["batch_size"] = 0; },
       "batching.batch_size: expected a whole number from 1 to 2^53, found 0"},
      {[](Json& c) { c["batching"]["shuffle"] = 1; }, "batching.shuffle: expected true or false, found 1"},
      {[](Json& c) { c["loss_weight"] = -1; },
       "loss_weight: expected a finite number of 0 or more, found -1"},
      {[](Json& c) { c["loss_weight"] = "nan"; },
       "loss_weight: expected a finite number of 0 or more, found \"nan\""},
      {[](Json& c) { c["totals"]["loss"] = "many"; }, "totals.loss: expected a number, found \"many\""},
      {[](Json& c) { c["totals"] = 3; }, "totals: expected an object, found 3"},
      {[](Json& c) { c["options"]["data"] = 3; }, "options.data: expected text, found 3"},
      {[](Json& c) { c["history"] = Json::object(); }, "history: expected a list, found an object of 0"},
      {[](Json& c) { c["history"][0] = 3; }, "history[0]: expected an object, found 3"},
      {[](Json& c) { c["history"][0]["epoch"] = 2; }, "history[0].epoch: expected 1, found 2"},
      {[](Json& c) { c["epoch"] = 5; }, "history[0].epoch: expected 4, found 1"},
      {[](Json& c) { c["epoch"] = 1; },
       "history: expected the 1 epochs that are finished, or the last of them, found a list of 2"},
      {[](Json& c) { c["history"][1]["metrics"]["loss"] = nullptr; },
       "history[1].metrics.loss: expected a number, found null"},
      {[](Json& c) { c["optimizer"]["rule"] = 3; }, "optimizer.rule: expected text, found 3"},
      {[](Json& c) { c["optimizer"]["step"] = -1; }, "optimizer.step: " + count + "-1"},
      {[](Json& c) { c["optimizer"]["learning_rate_factor"] = -0.5; },
       "optimizer.learning_rate_factor: expected a finite number of 0 or more, found -0.5"},
      {[](Json& c) { c["optimizer"]["learning_rate_factor"] = "inf"; },
       "optimizer.learning_rate_factor: expected a finite number of 0 or more, found \"inf\""},
      {[](Json& c) { c["optimizer"]["parameters"]["w"]["updates"] = -1; },
       "optimizer.parameters.w.updates: " + count + "-1"},
      {[](Json& c) { c["optimizer"]["parameters"]["w"]["slots"]["first_moment"]["shape"] = "abc"; },
       "optimizer.parameters.w.slots.first_moment.shape: expected a list of at most 64 sizes, found \"abc\""},
  };
  for (const auto& [change, text] : wrong) CHECK(after(change) == "c.json: content." + text);
  const Json whole = content();
  for (const auto& [key, value] : whole.items())
    if (key != "total_steps" && key != "batching" && key != "loss_weight" && key != "callbacks")
      CHECK(after([&key = key](Json& c) { c.erase(key); }) == "c.json: content: \"" + key + "\" is missing");
}

TEST_CASE("a tensor of a checkpoint that cannot be is refused", "[train][checkpoint][errors]") {
  const auto with = [](const std::string& tensor, const std::string& name = "w") {
    return after([&](Json& c) { c["weights"] = {{name, Json::parse(tensor)}}; });
  };
  const auto values = [&](const std::string& dtype, const std::string& list) {
    return with(fmt::format(R"({{"dtype": "{}", "shape": [1], "values": {}}})", dtype, list));
  };
  const auto shape = [&](const std::string& list) {
    return with(fmt::format(R"({{"dtype": "float32", "shape": {}, "values": [1]}})", list));
  };
  const auto base64 = [&](const std::string& text, const std::string& size = "1") {
    return with(fmt::format(R"({{"dtype": "float32", "shape": [{}], "base64": "{}"}})", size, text));
  };
  const std::string w = "c.json: content.weights.w";

  CHECK(values("float32", "[3.4028234663852886e38]") == "");
  CHECK(values("float32", "[1e39]") ==
        w + ".values[0]: expected a number that float32 can hold, found 1e+39");
  CHECK(values("float32", "[-1e39]") ==
        w + ".values[0]: expected a number that float32 can hold, found -1e+39");
  CHECK(values("float32", "[\"nan\"]") ==
        w + ".values[0]: expected a number that float32 can hold, found \"nan\"");
  CHECK(values("float64", "[1e308]") == "");
  CHECK(values("int64", "[-9223372036854775808]") == "");
  for (const char* number : {"1e+308", "1.5", "9223372036854775808", "true"})
    CHECK(values("int64", fmt::format("[{}]", number)) ==
          w + ".values[0]: expected a whole number of 64 bits, found " + number);
  CHECK(values("float32", "3") == w + ".values: expected a list of numbers, found 3");
  CHECK(values("float16", "[1]") ==
        w + ".dtype: expected \"float32\", \"float64\" or \"int64\", found \"float16\"");
  CHECK(values("float32", "[1, 2]") == w + ": 2 elements do not fill shape [1]");

  CHECK(shape("[]") == "");
  CHECK(shape("[7, 7905747460161236407]") ==
        w + ".shape[1]: expected a whole number from 0 to 2^53, found 7905747460161236407");
  CHECK(shape("[4294967296, 4294967296]") == w + ".shape: the product of the sizes is more than 2^53");
  CHECK(shape("[0, 9007199254740992, 9007199254740992]") ==
        w + ".shape: the product of the sizes is more than 2^53");
  CHECK(shape("[-1]") == w + ".shape[0]: expected a whole number from 0 to 2^53, found -1");
  CHECK(shape("[1.0]") == w + ".shape[0]: expected a whole number from 0 to 2^53, found 1.0");
  CHECK(shape("{\"a\": 1}") == w + ".shape: expected a list of at most 64 sizes, found an object of 1");
  CHECK(shape(Json(std::vector<int>(65, 1)).dump()) ==
        w + ".shape: expected a list of at most 64 sizes, found a list of 65");

  CHECK(base64("AACAPw==") == "");
  CHECK(base64("AACAPw=") == w + ".base64: bad base64 at position 7: the length is not a multiple of 4");
  CHECK(base64("AA*APw==") == w + ".base64: bad base64 at position 2: a character that base64 does not have");
  CHECK(base64("AA=APw==") == w + ".base64: bad base64 at position 2: a character that base64 does not have");
  CHECK(base64("AACAP===") == w + ".base64: bad base64 at position 5: a character that base64 does not have");
  CHECK(base64("AACAPx==") ==
        w + ".base64: bad base64 at position 5: the last character holds bits of no byte");
  CHECK(base64("====") == w + ".base64: bad base64 at position 0: a character that base64 does not have");
  CHECK(base64("AACA") == w + ".base64: 3 bytes are not a whole number of float32 elements");
  CHECK(base64("", "0") == "");
  CHECK(with(R"({"dtype": "float32", "shape": [1]})") ==
        w + ": expected either \"values\" or \"base64\", found an object of 2");
  CHECK(with(R"({"dtype": "float32", "shape": [0], "values": [], "base64": ""})") ==
        w + ": expected either \"values\" or \"base64\", found an object of 4");
  CHECK(with("3", "") == "c.json: content.weights[\"\"]: expected an object, found 3");
  CHECK(with("{}", "a b") == "c.json: content.weights[\"a b\"]: \"dtype\" is missing");
}

TEST_CASE("text that is not JSON is refused with line and column", "[train][checkpoint][errors]") {
  CHECK(sentence("") == "c.json: this is no JSON: the text ends too early, at line 1, column 1");
  CHECK(sentence("{\n  \"format\": \"rill") ==
        "c.json: this is no JSON: the text ends too early, at line 2, column 18");
  CHECK(sentence("{\n  \"a\": nan}") == "c.json: this is no JSON: unexpected \"a\" at line 2, column 9");
  CHECK(sentence("{} x") == "c.json: this is no JSON: unexpected \"x\" at line 1, column 4");
  CHECK(sentence("{\"a\": 1e400}") == "c.json: line 1, column 11: the number 1e400 is out of range");
  CHECK(sentence("{\"a\": \"M\xfcller\"}") == "c.json: this is no JSON: line 1, column 9 is not UTF-8 text");
  CHECK(sentence(std::string("{}\0", 3)) == "c.json: this is no JSON: line 1, column 3 holds a zero byte");
  CHECK_THAT(sentence("{\"a\": \"\n\"}"), ContainsSubstring("this is no JSON: unexpected"));
  CHECK(sentence("[]") == "c.json: this is no checkpoint of Rill: it lacks \"format\": \"rill checkpoint\"");
  CHECK(sentence("3") == "c.json: this is no checkpoint of Rill: it lacks \"format\": \"rill checkpoint\"");
  CHECK(sentence(R"({"format": "rill checkpoint", "content": {}})") == "c.json: \"schema\" is missing");
  CHECK(sentence(R"({"format": "rill checkpoint", "schema": 1, "content": {}})") ==
        "c.json: \"checksum\" is missing");
}

TEST_CASE("lists nested without end are refused wherever they are", "[train][checkpoint][errors]") {
  const std::string open(100000, '['), objects = [] {
    std::string out;
    for (int i = 0; i < 100000; ++i) out += "{\"a\":";
    return out;
  }();
  for (const std::string& text : {open, objects, open + std::string(100000, ']'),
                                  "{\"format\": \"rill checkpoint\", \"content\": {\"epoch\": " + open})
    CHECK_THAT(sentence(text), ContainsSubstring("lists and objects are nested more than 64 deep"));
  CHECK_THAT(sentence("{\"a\": [3, " + open), ContainsSubstring("c.json: a[1]: lists"));
}

TEST_CASE("two values of one name are refused", "[train][checkpoint][errors]") {
  const std::string one = R"({"dtype": "float32", "shape": [1], "values": [1]})";
  CHECK(sentence(R"({"content": {"epoch": 1, "epoch": 2}})") ==
        "c.json: content: the name \"epoch\" is given twice");
  CHECK(sentence(fmt::format(R"({{"content": {{"weights": {{"w": {0}, "v": {0}, "w": {0}}}}}}})", one)) ==
        "c.json: content.weights: the name \"w\" is given twice");
  // Many names take no longer for it.
  std::string many = "{";
  for (int i = 0; i < 200000; ++i) many += fmt::format("\"{}\": 0, ", i);
  CHECK(sentence(many + "\"7\": 0}") == "c.json: the name \"7\" is given twice");
}

TEST_CASE("what is not a regular file is not read as a checkpoint", "[train][checkpoint][errors]") {
  const Folder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(
      train::read_checkpoint(folder / "pipe"),
      folder / "pipe" +
          ": cannot read the checkpoint: it is a pipe, a socket or a device; expected a regular file");
  CHECK_THROWS_AS(train::read_checkpoint("/dev/zero"), FileError);
  CHECK_THROWS_WITH(train::read_checkpoint(folder.path()),
                    folder.path() + ": cannot read the checkpoint: Is a directory");
  CHECK_THROWS_WITH(train::read_checkpoint(""), ": cannot open the checkpoint: No such file or directory");
  CHECK_THROWS_AS(train::read_checkpoint(std::string("a\0b", 3)), FileError);
}

TEST_CASE("a checkpoint of which something would get lost is not written", "[train][checkpoint][errors]") {
  const Folder folder;
  const std::string path = folder / "c.json";
  train::write_checkpoint(path, good());
  const std::string before = read_text(path);
  const auto refused = [&](const std::function<void(train::Checkpoint&)>& change, const std::string& why) {
    train::Checkpoint checkpoint = good();
    change(checkpoint);
    CHECK_THROWS_AS(train::write_checkpoint(path, checkpoint), ValueError);
    CHECK_THROWS_WITH(train::write_checkpoint(path, checkpoint), path + ": " + why);
    CHECK(read_text(path) == before);
  };
  using C = train::Checkpoint;
  refused([](C& c) { c.options["data"] = "/M\xfcller"; },
          "options.data: expected UTF-8 text, found \"/M\\xfcller\"");
  refused([](C& c) { c.options["\xff"] = ""; }, "options: a name: expected UTF-8 text, found \"\\xff\"");
  refused([](C& c) { c.weights[0].first = "\xff"; }, "weights: a name: expected UTF-8 text, found \"\\xff\"");
  refused([](C& c) { c.weights[1].first = "w"; }, "weights: the name \"w\" is given twice");
  refused([](C& c) { c.totals[1].first = "loss"; }, "totals: the name \"loss\" is given twice");
  refused(
      [](C& c) {
        c.callbacks["best"] = {{"score", zeros({})}, {"score", zeros({})}};
      },
      "callbacks: the name \"score\" is given twice");
  CHECK(folder.files() == 1);
}

TEST_CASE("a checkpoint that does not fit changes neither model nor optimiser",
          "[train][checkpoint][errors]") {
  nn::Linear model(2, 3);
  const nn::Linear before = model;
  optim::Adam adam;
  Gradients gradients;
  for (const auto& [name, parameter] : nn::parameters(model))
    gradients.set(parameter->id(), ones(parameter->shape()));
  nn::Linear trained(2, 3);
  optim::Adam other;
  Gradients theirs;
  for (const auto& [name, parameter] : nn::parameters(trained))
    theirs.set(parameter->id(), ones(parameter->shape()));
  other.update(trained, theirs);
  const auto refused = [&](const std::function<void(train::Checkpoint&)>& change, const std::string& why) {
    train::Checkpoint checkpoint;
    checkpoint.weights = nn::state(trained);
    checkpoint.optimizer = other.state();
    change(checkpoint);
    optim::Optimizer optimizer = std::ref(adam);
    CHECK_THROWS_WITH(train::restore(checkpoint, model.fields(), optimizer, "c.json"),
                      ContainsSubstring(why));
    CHECK(nn::equal(model, before));
    CHECK(adam.state().step == 0);
    CHECK(adam.state().parameters.empty());
  };
  using C = train::Checkpoint;
  const auto slot = [](C& c, const char* name) -> Tensor& {
    return c.optimizer.parameters.at("bias").slots.at(name);
  };
  refused(
      [&](C& c) {
        slot(c, "second_moment") = tensor({1, -1, 1}, DType::float32);
      },
      "second_moment of \"bias\" holds -1; expected squares, of 0 or more");
  refused([&](C& c) { slot(c, "second_moment") = full({3}, NAN); },
          "second_moment of \"bias\" holds nan; expected squares, of 0 or more");
  refused([&](C& c) { slot(c, "first_moment") = zeros({2}); }, "first_moment of \"bias\" has shape [2]");
  refused([&](C& c) { c.optimizer.parameters.at("bias").updates = 2; },
          "\"bias\" counts 2 updates in 1 steps");
  refused([&](C& c) { c.optimizer.parameters["lost"] = {}; }, "the model has no parameter \"lost\"");
  refused([&](C& c) { c.optimizer.rule = "sgd"; }, "it is of \"sgd\"");
  refused([&](C& c) { c.weights.pop_back(); }, "bias is missing");
  refused([&](C& c) { c.weights.push_back(c.weights[0]); }, "kernel is given twice");
}
