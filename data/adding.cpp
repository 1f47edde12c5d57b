#include "rill/data/adding.h"

#include "rill/data/task.h"
#include "rill/tensor/create.h"

namespace rill::data {

Dataset adding_problem(const AddingOptions& options) {
  detail::check_size("adding_problem", "the length", options.length, 2);
  detail::check_size("adding_problem", "the number of examples", options.examples, 1);
  Generator generator(options.seed);
  Tensor sequences = zeros({options.examples, options.length, 2});
  Tensor sums = Tensor::empty({options.examples, 1});
  float* step = rill::detail::TensorAccess::fill<float>(sequences).data();
  const std::int64_t half = options.length / 2;
  for (float& sum : rill::detail::TensorAccess::fill<float>(sums)) {
    const Tensor numbers = generator.uniform({options.length});
    const auto number = numbers.span<float>();
    const std::int64_t first = generator.integer(half);
    const std::int64_t second = half + generator.integer(options.length - half);
    for (std::int64_t t = 0; t < options.length; ++t, step += 2) {
      step[0] = number[static_cast<std::size_t>(t)];
      step[1] = t == first || t == second ? 1.0F : 0.0F;
    }
    sum = number[static_cast<std::size_t>(first)] + number[static_cast<std::size_t>(second)];
  }
  return {sequences, sums};
}

}  // namespace rill::data
