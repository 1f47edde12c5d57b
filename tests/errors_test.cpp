#include <cmath>
#include <cstdio>

#include "rill/rill.h"
#include "tests/catch.h"

using namespace rill;

namespace {

data::Dataset sequences() { return data::Dataset(zeros({4, 5, 3}), arange(4)); }

struct BadInput {
  const char* what;
  std::function<void()> act;
  std::string sentence;
};

// Every kind of mistake gets one sentence that says what, where and what was expected.
// A line for the mistake, a line for the sentence.
// clang-format off
const std::vector<BadInput> catalogue = {
    {"shapes that do not broadcast", [] { static_cast<void>(zeros({2, 3}) + zeros({4})); },
     "add: shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 differ on axis -1"},
    {"inner sizes that differ", [] { static_cast<void>(matmul(zeros({32, 256}), zeros({128, 1024}))); },
     "matmul: [32, 256] x [128, 1024]: inner sizes 256 and 128 differ"},
    {"a reshape that does not fit", [] { static_cast<void>(reshape(zeros({2, 3}), {4, 2})); },
     "reshape: 6 elements of shape [2, 3] do not fill shape [4, 2]"},
    {"an axis out of range", [] { static_cast<void>(sum(zeros({2, 3}), 5)); },
     "sum: axis 5 is out of range for a tensor of rank 2"},
    {"an axis named twice", [] { static_cast<void>(sum(zeros({2, 3}), {0, -2})); },
     "sum: axes [0, -2] name one axis twice"},
    {"parts that do not fit together", [] { static_cast<void>(concat({zeros({2, 3}), zeros({2, 4})}, 0)); },
     "concat: part 1 has shape [2, 4], part 0 [2, 3]; they may differ on axis 0 only"},
    {"nothing to join", [] { static_cast<void>(stack({})); },
     "stack: there are no tensors to join"},
    {"a split that does not go up", [] { static_cast<void>(split(zeros({2, 5}), 2)); },
     "split: axis -1 of [2, 5] does not divide into 2 equal parts"},
    {"the largest of nothing", [] { static_cast<void>(max(zeros({0}))); },
     "max: axis 0 of shape [0] has no elements"},
    {"a negative size", [] { static_cast<void>(zeros({-1})); },
     "empty: shape [-1] has a negative size"},
    {"ragged rows", [] { static_cast<void>(tensor({{1, 2}, {3}})); },
     "tensor: the rows are ragged: one has 2 entries, another 1"},
    {"the item of many", [] { static_cast<void>(zeros({2}).item()); },
     "item: shape [2] has not one element"},
    {"dtypes that differ", [] { static_cast<void>(zeros({2}) + zeros({2}, DType::float64)); },
     "add: float32 [2] and float64 [2]: the dtypes differ; cast one"},
    {"a function of whole numbers", [] { static_cast<void>(exp(arange(3))); },
     "exp: int64 [3]: expected a floating dtype; cast it"},
    {"a cast of NaN to int64", [] { static_cast<void>(cast(full({1}, std::nan("")), DType::int64)); },
     "cast: int64 cannot hold nan"},
    {"the wrong C++ type", [] { static_cast<void>(zeros({2}).span<double>()); },
     "span: the tensor holds float32, not float64"},
    {"an index out of range", [] { static_cast<void>(index_select(zeros({10, 2}), 0, Tensor::from(std::vector<std::int64_t>{3, 12}))); },
     "index_select: index 12 at place 1 is out of range for axis 0 of size 10"},
    {"indices that are not whole", [] { static_cast<void>(gather(zeros({3}), 0, zeros({1}))); },
     "gather: the indices have dtype float32; expected int64"},
    {"a tensor without a value", [] { static_cast<void>(Tensor() + 1); },
     "add: argument 1: this tensor holds no value: it was default-constructed or moved from, or it is the gradient with respect to a value that the target does not depend on"},
    {"a probability above 1", [] { static_cast<void>(bernoulli({3}, 1.5)); },
     "bernoulli: a probability of 1.5; expected one in [0, 1]"},
    {"bounds in the wrong order", [] { static_cast<void>(clamp(zeros({2}), 1, 0)); },
     "clamp: the lower bound 1 is not at most the upper 0"},
    {"a range that never ends", [] { static_cast<void>(arange(0.0, 1.0, 0.0)); },
     "arange: from 0 to 1 by 0 is not a range of finite numbers"},
    {"the gradient of many values", [] { [] { Tape tape; const Tensor x = tape.watch(zeros({32, 1})); tape.gradient(x * 2, x); }(); },
     "tape.gradient: the loss has shape [32, 1]; take its sum or mean first, or give a cotangent of that shape"},
    {"a cotangent of another shape", [] { [] { Tape tape; const Tensor x = tape.watch(zeros({3})); tape.gradient({x * 2, ones({4})}, x); }(); },
     "tape.gradient: the cotangent has shape [4], the target [3]"},
    {"a source that no tape saw", [] { [] { Tape tape; const Tensor x = tape.watch(zeros({})); tape.gradient(x * 2, zeros({3})); }(); },
     "tape.gradient: source 0 was never seen by this tape; watch it, or use what the tape's operations returned"},
    {"a loss without parameters", [] { [] { Tape tape; tape.gradient(zeros({})); }(); },
     "tape.gradient: the target depends on no trainable parameter; was it computed after this tape began?"},
    {"watching whole numbers", [] { [] { Tape tape; tape.watch(arange(3)); }(); },
     "watch: a tensor of int64 has no gradient; cast it to a floating dtype"},
    {"a parameter of whole numbers", [] { static_cast<void>(Parameter(arange(3))); },
     "Parameter: a parameter holds float32 or float64, not int64"},
    {"threads below 1", [] { set_threads(0); },
     "set_threads: expected 1 to 1024 threads, got 0"},
    {"a label out of range", [] { static_cast<void>(nn::cross_entropy(zeros({2, 10}), Tensor::from(std::vector<std::int64_t>{3, 10}))); },
     "cross_entropy: label 10 at place 1 is out of range for 10 classes"},
    {"labels that are not whole", [] { static_cast<void>(nn::cross_entropy(zeros({2, 10}), zeros({2}))); },
     "cross_entropy: labels have dtype float32; expected int64"},
    {"scores and labels that do not match", [] { static_cast<void>(nn::cross_entropy(zeros({2, 10}), Tensor::from(std::vector<std::int64_t>{3}))); },
     "cross_entropy: scores [2, 10] and labels [1]; expected [..., classes] and [...]"},
    {"a dropout rate of 1", [] { static_cast<void>(nn::Dropout(1.0)); },
     "Dropout: a rate of 1; expected one in [0, 1)"},
    {"features of another size", [] { static_cast<void>(nn::Linear(3, 4)(zeros({2, 5}))); },
     "Linear: an input of shape [2, 5]; expected 3 on the last axis"},
    {"a sequence of rank 2", [] { static_cast<void>(nn::LSTM(3, 4)(zeros({2, 3}))); },
     "Recurrent: an input of shape [2, 3]; expected [batch, time, features]"},
    {"a symbol out of range", [] { static_cast<void>(nn::Embedding(5, 2)(Tensor::from(std::vector<std::int64_t>{5}))); },
     "Embedding: symbol 5 at place 0 is out of range for 5 symbols"},
    {"a learning rate below 0", [] { static_cast<void>(optim::Adam({.learning_rate = -1.0})); },
     "schedule: a learning rate of -1; expected a finite number of at least 0"},
    {"a folder without MNIST", [] { static_cast<void>(data::load_mnist("/no/such/folder")); },
     "/no/such/folder/train-images-idx3-ubyte: not there, nor with .gz; scripts/fetch_mnist.sh fetches it"},
    {"a batch of no samples", [] { static_cast<void>(sequences().batches(0)); },
     "Dataset.batches: a batch of 0 samples; at least 1 is needed"},
    {"a checkpoint that is not there", [] { static_cast<void>(train::read_checkpoint("/no/such/file.json")); },
     "/no/such/file.json: cannot open the checkpoint: No such file or directory"},
    {"a history in an unknown format", [] { static_cast<void>(train::History().save("history.txt")); },
     "history: \"history.txt\" ends neither in .json nor in .csv"},
    {"a metric that is not there", [] { static_cast<void>(train::History{{{1, {{"loss", 0.5}}}}}["accuracy"]); },
     "history: epoch 1 has no metric \"accuracy\""},
};
// clang-format on

}  // namespace

TEST_CASE("the catalogue of bad input: each kind has its sentence", "[errors]") {
  for (const auto& [what, act, sentence] : catalogue) {
    CAPTURE(what);
    CHECK_THROWS_AS(act(), Error);
    CHECK_THROWS_WITH(act(), sentence);
  }
}

#ifdef RILL_MNIST_LSTM
namespace {

// What the example prints, and whether it fails, as it should.
std::string failure(const std::string& flags) {
  std::FILE* pipe = ::popen((RILL_MNIST_LSTM " " + flags + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  std::string text(65536, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  CHECK(::pclose(pipe) != 0);
  return text;
}

}  // namespace

TEST_CASE("wrong flags of the example are refused with what they should be", "[errors][examples]") {
  CHECK_THAT(failure("--epochs -1"), ContainsSubstring("--epochs: Value -1 not in range 0 to 100000"));
  CHECK_THAT(failure("--batch-size many"), ContainsSubstring("--batch-size"));
  CHECK_THAT(failure("--learning-rate 0"), ContainsSubstring("--learning-rate: Value 0 not in range"));
  CHECK_THAT(failure("--bogus"), ContainsSubstring("--bogus"));
  CHECK_THAT(failure("--data /no/such/folder"),
             ContainsSubstring("mnist_lstm: /no/such/folder/train-images"));
}
#endif
