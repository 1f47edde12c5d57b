// What runs while the program or a thread ends may use Rill. Called with the name of a case; ends with 0
// where all went well. Rill must not be used before the objects below are there: what it keeps for a thread
// is made at its first use, and so would outlive them.

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "rill/rill.h"

namespace {

using namespace rill;

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s\n", what);
  std::_Exit(1);
}

// Products of several sizes and precisions, a recurrent layer, random numbers, observers, a tape and an
// optimiser.
void train() {
  try {
    const Tensor a = ones({64, 96}), b = ones({96, 128});
    for (const Precision precision : {Precision::bfloat16, Precision::float32}) {
      set_matmul_precision(precision);
      require(matmul(a, b).to_vector<float>()[0] == 96, "a product is wrong");
    }
    nn::LSTM lstm(4, 32);
    optim::Adam adam;
    for (int step = 0; step < 2; ++step) {
      Tape tape;
      const Tensor loss = sum(square(lstm(normal({8, 5, 4})).last));
      adam.update(lstm, tape.gradient(loss));
    }
    {
      Tape tape;
      const Tensor x = tape.watch(Tensor::from(std::vector<double>{3}));
      require(
          tape.gradient(sum(checkpoint([](const auto& in) { return std::vector{square(in[0])}; }, {x})[0]), x)
                  .item() == 6,
          "a gradient is wrong");
    }
    require(!is_recording(), "a tape is left open");
    require(memory_statistics().in_use >= 0, "the memory is counted wrongly");
    release_cached_memory();
  } catch (const std::exception& error) {
    require(false, error.what());
  }
}

struct AtEnd {
  std::function<void()> work;
  AtEnd() = default;
  ~AtEnd() {
    if (work) work();
  }
};

std::optional<Tensor> static_tensor;
AtEnd static_object;
std::optional<Tape> static_tape;
thread_local AtEnd thread_object;
thread_local std::optional<Tensor> thread_tensor;

void run(std::string_view name) {
  if (name == "static") {
    static_object.work = train;
    train();
  } else if (name == "static_first") {
    static_object.work = train;  // the first to use Rill at all
  } else if (name == "atexit") {
    std::atexit(train);
    train();
  } else if (name == "static_tensor") {
    static_tensor = ones({1000});
    static_object.work = [] {
      std::printf("%lld bytes\n", static_cast<long long>(memory_statistics().in_use));
      require(memory_statistics().in_use > 0, "a living tensor is not counted");
    };
  } else if (name == "static_tape") {
    static_tape.emplace();
    const Tensor y = square(static_tape->watch(ones({3})));
    static_object.work = train;
  } else if (name == "thread_local") {
    thread_object.work = train;
    train();
  } else if (name == "thread") {
    for (int i = 0; i < 3; ++i)
      std::thread([] {
        thread_object.work = train;
        thread_tensor = ones({10});
        train();
      }).join();
  } else if (name == "thread_tape") {
    std::thread([] {
      static_tape.emplace();  // ends when the program does
      const Tensor y = square(static_tape->watch(ones({3})));
    }).join();
    train();
  } else {
    require(false, "unknown case");
  }
}

}  // namespace

int main(int argc, char** argv) {
  require(argc == 2, "expected the name of a case");
  run(argv[1]);
  return 0;
}
