#include "rill/train/checkpoint.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <random>

#include <sys/wait.h>
#include <unistd.h>

#include "rill/nn/linear.h"
#include "rill/nn/model.h"
#include "rill/optim/adam.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/train/atomic_file.h"
#include "tests/catch.h"
#include "tests/folder.h"

using namespace rill;

namespace {

template <class T>
bool same_bits(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<T>(), y = b.to_vector<T>();
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0);
}

train::Checkpoint with_weight(Tensor weight) {
  train::Checkpoint checkpoint;
  checkpoint.weights = {{"w", std::move(weight)}};
  return checkpoint;
}

}  // namespace

TEST_CASE("every element of a checkpoint comes back to the last bit", "[train][checkpoint]") {
  const Folder folder;
  const float quiet = std::numeric_limits<float>::quiet_NaN(),
              infinite = std::numeric_limits<float>::infinity();
  std::uint32_t payload_bits = 0x7fc12345;
  float payload;
  std::memcpy(&payload, &payload_bits, 4);
  const std::vector<Tensor> tensors = {
      Tensor::from(std::vector<float>{0.1F, -0.0F, 1e-45F, 3.4e38F, 16777217.0F}),
      Tensor::from(std::vector<float>{quiet, infinite, -infinite, payload, -quiet}),
      uniform({40, 50}),
      normal({7, 3}, 0, 1e-300, DType::float64),
      Tensor::from(std::vector<double>{0.1, -0.0, 5e-324, 1.7e308}),
      Tensor::from(std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(), -1,
                                             std::numeric_limits<std::int64_t>::max()}),
      zeros({0, 3}),
      full({}, 2.5)};
  for (const Tensor& tensor : tensors) {
    train::write_checkpoint(folder / "c.json", with_weight(tensor));
    const Tensor back = train::read_checkpoint(folder / "c.json").weights[0].second;
    if (tensor.dtype() == DType::float32) CHECK(same_bits<float>(back, tensor));
    if (tensor.dtype() == DType::float64) CHECK(same_bits<double>(back, tensor));
    if (tensor.dtype() == DType::int64) CHECK(same_bits<std::int64_t>(back, tensor));
  }
}

TEST_CASE("small tensors are readable numbers, large ones base64", "[train][checkpoint]") {
  const Folder folder;
  train::write_checkpoint(folder / "small.json", with_weight(tensor({1, 2.5, -3})));
  CHECK_THAT(read_text(folder / "small.json"), ContainsSubstring("2.5"));
  train::write_checkpoint(folder / "large.json", with_weight(zeros({1000})));
  CHECK_THAT(read_text(folder / "large.json"), ContainsSubstring("\"base64\": \"AAAA"));
}

TEST_CASE("a file that is no whole checkpoint is refused with the reason", "[train][checkpoint][errors]") {
  const Folder folder;
  const std::string path = folder / "c.json";
  train::write_checkpoint(path, with_weight(tensor({1, 2.5, -3})));
  const std::string good = read_text(path);
  const auto refused = [&](std::string text, const std::string& reason) {
    write_text(path, text);
    CHECK_THROWS_AS(train::read_checkpoint(path), FileError);
    CHECK_THROWS_WITH(train::read_checkpoint(path),
                      ContainsSubstring(path + ": ") && ContainsSubstring(reason));
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
  };
  refused("", "this is no JSON");
  refused(good.substr(0, good.size() / 2), "this is no JSON");
  refused("{\"epoch\": 3}", "this is no checkpoint of Rill");
  refused(changed("\"schema\": 1", "\"schema\": 2"), "schema 2; this version of Rill reads schema 1");
  refused(changed("2.5", "2.6"), "the checkpoint is damaged");
  refused(changed("crc32:", "crc32:0"), "the checkpoint is damaged");
  CHECK_THROWS_WITH(train::read_checkpoint(folder / "none.json"),
                    ContainsSubstring("cannot open the checkpoint: No such file"));
}

TEST_CASE("loading lists all that differs in one error and changes nothing", "[train][checkpoint][errors]") {
  const Folder folder;
  nn::Linear small(2, 3), other(4, 3, {.bias = false});
  nn::to(other, DType::float64);
  train::save(other, folder / "other.json");
  nn::Linear before = small;
  CHECK_THROWS_WITH(train::load(small, folder / "other.json"),
                    (folder / "other.json") +
                        ": the weights do not fit the model:\n  kernel has shape [4, 3], the model expects "
                        "[2, 3]\n  kernel has "
                        "dtype float64, the model expects float32\n  bias is missing");
  CHECK(nn::equal(small, before));
  train::save(small, folder / "small.json");
  nn::Linear fresh(2, 3);
  train::load(fresh, folder / "small.json");
  CHECK(nn::equal(fresh, small));
}

TEST_CASE("a failed write leaves the old file and nothing else", "[train][checkpoint]") {
  const Folder folder;
  CHECK_THROWS_WITH(train::write_atomically(folder / "none/c.json", "x"),
                    ContainsSubstring("cannot open the file for writing"));
  train::write_atomically(folder / "c.json", "old");
  train::write_atomically(folder / "c.json", "new");
  CHECK(read_text(folder / "c.json") == "new");
  CHECK(folder.files() == 1);
}

TEST_CASE("a checkpoint keeps where an epoch stands and what callbacks remember", "[train][checkpoint]") {
  const Folder folder;
  train::Checkpoint checkpoint;
  checkpoint.total_steps = 12;
  checkpoint.batching = train::Batching{.samples = 100, .batch_size = 8, .shuffle = false, .drop_last = true};
  checkpoint.loss_weight = 0.5;
  checkpoint.callbacks["watch"] = {{"best", full({}, 0.1, DType::float64)},
                                   {"none", full({}, NAN, DType::float64)}};
  train::write_checkpoint(folder / "c.json", checkpoint);
  const train::Checkpoint back = train::read_checkpoint(folder / "c.json");
  CHECK(back.total_steps == 12);
  CHECK(back.batching == checkpoint.batching);
  CHECK(back.loss_weight == 0.5);
  REQUIRE(back.callbacks.at("watch").size() == 2);
  CHECK(back.callbacks.at("watch")[0].second.item() == 0.1);
  CHECK(std::isnan(back.callbacks.at("watch")[1].second.item()));
}

TEST_CASE("a kill in the middle of a write never leaves a broken checkpoint", "[train][checkpoint][kill]") {
  const Folder folder;
  const std::string path = folder / "c.json";
  train::Checkpoint checkpoint = with_weight(zeros({100000}));
  train::write_checkpoint(path, checkpoint);
  std::mt19937 random(1);
  for (int trial = 0; trial < 50; ++trial) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (std::int64_t epoch = 0;; ++epoch) {
        checkpoint.epoch = epoch;
        train::write_checkpoint(path, checkpoint);
      }
    }
    ::usleep(std::uniform_int_distribution<useconds_t>(1000, 30000)(random));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(train::read_checkpoint(path).weights[0].second.count() == 100000);
  }
  train::write_checkpoint(path, checkpoint);
  CHECK(folder.files() == 1);
}
