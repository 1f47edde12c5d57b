// Signal handlers of a program, which know nothing of Rill and run on the stack of what they interrupt.

#include <rill/rill.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>
#include <vector>

#include "tests/catch.h"

using namespace rill;

namespace {

std::atomic<int> calls{0};

void handle(int) {
  volatile char frame[4096];
  for (char volatile& byte : frame) byte = static_cast<char>(0xa5);
  ++calls;
}

/// While it lives, a handler is called thousands of times a second.
class Storm {
 public:
  Storm() {
    struct sigaction action {};
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGALRM, &action, &before_);
    const itimerval every{{0, 100}, {0, 100}};
    ::setitimer(ITIMER_REAL, &every, nullptr);
  }
  ~Storm() {
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_;
};

std::vector<float> values(const Tensor& x) { return x.to_vector<float>(); }

// Products of every kind, with their gradients, which are sums of products.
std::vector<std::vector<float>> products() {
  Generator generator(1);
  std::vector<std::vector<float>> out;
  const auto add = [&](const Shape& a, const Shape& b) {
    Tape tape;
    const Tensor left = tape.watch(generator.normal(a)), right = tape.watch(generator.normal(b));
    const Tensor product = matmul(left, right);
    const auto gradients = tape.gradient(sum(square(product)), {left, right});
    for (const Tensor& x : {product, gradients[0], gradients[1]}) out.push_back(values(x));
  };
  add({32, 256}, {256, 1024});
  add({1, 300}, {300, 200});
  add({130, 70}, {70, 90});
  add({8, 40, 40}, {8, 40, 40});
  add({16, 32, 64}, {64, 128});
  add({512, 512}, {512, 512});
  return out;
}

}  // namespace

TEST_CASE("a signal handler does products no harm", "[tensor][matmul][signals]") {
  const Precision precision = GENERATE(Precision::float32, Precision::bfloat16);
  set_matmul_precision(precision);
  const auto quiet = products();
  bool equal = true;
  {
    const Storm storm;
    calls = 0;
    for (int round = 0; round < 20 || calls < 20; ++round) equal = equal && products() == quiet;
  }
  set_matmul_precision(Precision::float32);
  CHECK(equal);
}

TEST_CASE("signals are open again after products", "[tensor][matmul][signals]") {
  sigset_t before, after;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  static_cast<void>(products());
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  for (int signal : {SIGINT, SIGALRM, SIGTERM, SIGUSR1}) {
    CHECK(::sigismember(&before, signal) == 0);
    CHECK(::sigismember(&after, signal) == 0);
  }
}
