// The first program of README.md, which has to compile.

#include <rill/rill.h>
using namespace rill;

struct Classifier {
  nn::LSTM lstm{28, 128};
  nn::Linear output{128, 10};

  Tensor operator()(const Tensor& rows) const {
    return output(lstm(rows).last);
  }                                                                     // [batch, 28, 28] -> [batch, 10]
  nn::Fields fields() { return {{"lstm", lstm}, {"output", output}}; }  // a model names its parts
};

int main() {
  auto [training, test] = data::load_mnist("data/mnist");
  Classifier model;
  train::fit(model, training,
             {.loss = nn::cross_entropy,
              .optimizer = optim::Adam{{.learning_rate = 1e-3}},
              .metrics = {train::accuracy},
              .validation = test});
}
