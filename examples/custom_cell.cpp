// A recurrent cell of your own, which runs as fast as the built-in ones: the minimal gated unit of Zhou et
// al. 2016 learns to say, at the end of a sequence of random bits, what its first bit was.

#include <fmt/format.h>
#include <rill/rill.h>

#include <exception>
#include <new>

using namespace rill;

struct MinimalGatedCell {
  using State = Tensor;  // h, [batch, hidden]

  nn::Linear input;     // for the whole sequence at once: one matrix product
  Parameter recurrent;  // [hidden, 2 hidden]

  MinimalGatedCell(std::int64_t in, std::int64_t hidden)
      : input(in, 2 * hidden), recurrent(nn::orthogonal()({hidden, 2 * hidden})) {}

  std::int64_t hidden_size() const { return recurrent.shape()[0]; }
  Tensor operator()(Tensor x, const Tensor& h) const {  // x is input(...) of this step, for us to keep
    return fused(
        [](auto forget, auto candidate, auto before) {
          auto keep = sigmoid(forget + 1);
          return keep * before + (1 - keep) * tanh(candidate);
        },
        split<2>(matmul_add(h, recurrent, std::move(x))), h);
  }
  nn::Fields fields() { return {{"input", input}, {"recurrent", recurrent}}; }
};

struct FirstBit {
  nn::Recurrent<MinimalGatedCell> layer{MinimalGatedCell(1, 32)};
  nn::Linear output{32, 2};

  Tensor operator()(const Tensor& bits) const {
    return output(layer(bits).last);
  }  // [batch, time, 1] -> [batch, 2]
  nn::Fields fields() { return {{"layer", layer}, {"output", output}}; }
};

void run() {
  seed(1);
  FirstBit model;
  optim::Adam adam{{.learning_rate = 1e-2}};
  for (int step = 1; step <= 300; ++step) {
    const Tensor bits = bernoulli({64, 20, 1}, 0.5);
    const Tensor first = cast(reshape(slice(bits, 1, {0, 1}), {64}), DType::int64);
    Tape tape;
    const Tensor logits = model(bits);
    const Tensor loss = nn::cross_entropy(logits, first);
    // The last gradient of this tape: what it keeps is freed and written over as the sweep goes.
    adam.update(model, std::move(tape).gradient(loss));
    if (step % 50 == 0)
      fmt::print("step {:3}  loss {:.4f}  accuracy {:.2f}\n", step, loss.item(),
                 train::accuracy.total(logits, first) / 64);
  }
}

int main() {
  try {
    run();
    return 0;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "custom_cell: there is not enough memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "custom_cell: {}\n", error.what());
  }
  return 1;
}
