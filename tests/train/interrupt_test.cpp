#include "rill/train/interrupt.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <optional>
#include <thread>

#include "rill/nn/linear.h"
#include "rill/nn/loss.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/train/fit.h"
#include "tests/catch.h"

using namespace rill;
using train::Interrupt;

namespace {

void own_handler(int) {}

using Handler = void (*)(int);
Handler handler_of(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler;
}

/// While it lives, the three signals have this handler.
class Handled {
 public:
  explicit Handled(Handler handler) {
    struct sigaction action {};
    action.sa_handler = handler;
    for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &action, &before_[i]);
  }
  ~Handled() {
    for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before_[i], nullptr);
  }
  static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP};

 private:
  std::array<struct sigaction, signals.size()> before_;
};

/// How a process ends that does this.
int status_of(const std::function<void()>& act) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    act();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

struct Model {
  nn::Linear layer{3, 2};
  Tensor operator()(const Tensor& x) const { return layer(x); }
  nn::Fields fields() { return {{"layer", layer}}; }
};

// How many epochs of 50 a fit of four steps an epoch goes through.
std::size_t epochs_until_stopped(const train::Callback& callback) {
  Model model;
  const data::Dataset data(zeros({8, 3}), zeros({8}, DType::int64));
  return train::fit(model, data,
                    {.loss = nn::cross_entropy,
                     .optimizer = optim::SGD{{.learning_rate = 0.1}},
                     .epochs = 50,
                     .batch_size = 2,
                     .callbacks = {callback},
                     .progress = nullptr})
      .epochs.size();
}

}  // namespace

TEST_CASE("each of the signals that end a program is a request, and says which it was",
          "[train][interrupt]") {
  const Handled handled(own_handler);
  for (int signal : Handled::signals) {
    const Interrupt interrupt;
    CHECK_FALSE(interrupt.requested());
    CHECK(interrupt.signal() == 0);
    std::raise(signal);
    CHECK(interrupt.requested());
    CHECK(interrupt.signal() == signal);
  }
  for (int signal : Handled::signals) CHECK(handler_of(signal) == own_handler);
}

TEST_CASE("a second signal of any kind ends the program as it would have without", "[train][interrupt]") {
  for (int first : Handled::signals)
    for (int second : Handled::signals) {
      const int status = status_of([&] {
        const Handled handled(own_handler);
        const Interrupt outer, inner;
        std::raise(first);
        std::raise(second);
      });
      CHECK(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == second);
    }
}

TEST_CASE("a signal that the program ignored stays ignored", "[train][interrupt]") {
  const Handled handled(SIG_IGN);
  const Interrupt interrupt;
  for (int signal : Handled::signals) {
    std::raise(signal);
    std::raise(signal);
    CHECK(handler_of(signal) == SIG_IGN);
  }
  CHECK_FALSE(interrupt.requested());
}

TEST_CASE("a request reaches every Interrupt in scope, whichever of them ends first", "[train][interrupt]") {
  const Handled handled(own_handler);
  std::optional<Interrupt> first(std::in_place), second(std::in_place);
  std::raise(SIGINT);
  CHECK(first->requested());
  CHECK(second->requested());
  first.reset();
  CHECK(second->requested());
  CHECK(Interrupt().requested());
  CHECK(handler_of(SIGINT) != own_handler);
  second.reset();
  CHECK(handler_of(SIGINT) == own_handler);
  CHECK_FALSE(Interrupt().requested());
}

TEST_CASE("Ctrl-C during a fit within another's epoch stops both", "[train][interrupt]") {
  const Handled handled(own_handler);
  std::size_t inner = 50;
  const std::size_t outer = epochs_until_stopped({.on_epoch = [&](train::Training& t) {
    if (t.epoch == 2)
      inner = epochs_until_stopped({.on_step = [](train::Training& s) {
        if (s.epoch == 3 && s.step == 1) std::raise(SIGINT);
      }});
  }});
  CHECK(inner == 2);
  CHECK(outer == 2);
  CHECK(handler_of(SIGINT) == own_handler);
}

TEST_CASE("after a fit within another's epoch, Ctrl-C still stops the outer one", "[train][interrupt]") {
  const Handled handled(own_handler);
  const std::size_t outer = epochs_until_stopped({
      .on_step =
          [](train::Training& t) {
            if (t.epoch == 4 && t.step == 1) std::raise(SIGINT);
          },
      .on_epoch =
          [](train::Training& t) {
            if (t.epoch == 2) CHECK(epochs_until_stopped({}) == 50);
          },
  });
  CHECK(outer == 3);
  CHECK(handler_of(SIGINT) == own_handler);
}

TEST_CASE("Ctrl-C stops the fits of two threads", "[train][interrupt]") {
  const Handled handled(own_handler);
  std::atomic<int> begun = 0;
  std::atomic<bool> raised = false;
  std::array<std::size_t, 2> epochs{};
  std::array<std::thread, 2> threads;
  for (std::size_t i = 0; i < 2; ++i)
    threads[i] = std::thread([&, i] {
      epochs[i] = epochs_until_stopped({.on_step = [&, i](train::Training& t) {
        if (t.epoch != 3 || t.step != 1) return;
        ++begun;
        while (begun < 2) std::this_thread::yield();
        if (i == 0) raised = std::raise(SIGINT) == 0;
        while (!raised) std::this_thread::yield();
      }});
    });
  for (auto& thread : threads) thread.join();
  CHECK(epochs == std::array<std::size_t, 2>{2, 2});
  CHECK(handler_of(SIGINT) == own_handler);
}
