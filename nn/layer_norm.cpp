#include "rill/nn/layer_norm.h"

#include "fmt/format.h"
#include "rill/autograd/ops/layer_norm.h"
#include "rill/autograd/place.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::nn {

LayerNorm::LayerNorm(std::int64_t size, double epsilon_)
    : gain(ones({size})), bias(zeros({size})), epsilon(epsilon_) {
  if (!(epsilon >= 0)) throw ValueError(fmt::format("LayerNorm: epsilon is {}; expected 0 or more", epsilon));
}

Tensor LayerNorm::operator()(const Tensor& x) const {
  if (x.rank() == 0 || x.size(-1) != gain.shape()[0])
    throw ShapeError(fmt::format("LayerNorm: an input of shape {}; expected {} on the last axis",
                                 to_string(x.shape()), gain.shape()[0]));
  const AtPlace place({"LayerNorm", gain.id(), bias.id()});
  return layer_norm(x, gain, bias, epsilon);
}

}  // namespace rill::nn
