// A program with signal handlers of its own, which know nothing of Rill: they run on the stack of whatever
// they interrupt, and use much of it. Timers call them thousands of times a second; SIGINT writes a
// checkpoint and stops.
//
//   own_handler CHECKPOINT [--resume]

#include <rill/rill.h>
#include <sys/time.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>

using namespace rill;

namespace {

struct Model {
  nn::LSTM lstm1{28, 256}, lstm2{256, 256};
  nn::Linear output{256, 10};
  Tensor operator()(const Tensor& x) const { return output(lstm2(lstm1(x).outputs).last); }
  nn::Fields fields() { return {{"lstm1", lstm1}, {"lstm2", lstm2}, {"output", output}}; }
};

std::atomic<int> calls{0};
std::atomic<bool> stop_requested{false};

void handle(int signal, siginfo_t*, void*) {
  volatile char frame[4096];
  for (char volatile& byte : frame) byte = static_cast<char>(0xa5);
  ++calls;
  if (signal == SIGINT) stop_requested = true;
}

void install(int signal) {
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

void start_timer(int which, int signal, int microseconds) {
  install(signal);
  const itimerval every{{0, microseconds}, {0, microseconds}};
  ::setitimer(which, &every, nullptr);
}

data::Dataset examples() {
  Generator generator(1);
  std::vector<std::int64_t> labels(160);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 10);
  return data::Dataset(generator.normal({160, 28, 28}), Tensor::from(labels));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string checkpoint = argv[1];
  start_timer(ITIMER_REAL, SIGALRM, 900);
  start_timer(ITIMER_PROF, SIGPROF, 1100);
  seed(1);
  Model model;
  train::fit(model, examples(),
             {.loss = nn::cross_entropy,
              .optimizer = optim::Adam{{.learning_rate = 1e-3}},
              .epochs = 2,
              .callbacks = {{.on_begin = [](train::Training&) { install(SIGINT); },
                             .on_step =
                                 [&](train::Training& t) {
                                   if (!stop_requested) return;
                                   t.save(checkpoint);
                                   t.stop = true;
                                 }}},
              .checkpoint = checkpoint,
              .resume = argc > 2 ? checkpoint : "",
              .progress = nullptr});
  std::printf("%d calls of the handler\n", calls.load());
}
