#include "rill/optim/optimizer.h"

#include "rill/tensor/error.h"

namespace rill::optim {

void Optimizer::throw_no_factor() {
  throw ValueError(
      "Optimizer: this update rule has no set_learning_rate_factor(), so its rate cannot be changed");
}

}  // namespace rill::optim
