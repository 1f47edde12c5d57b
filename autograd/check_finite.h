#pragma once

#include <string>
#include <vector>

#include "rill/autograd/place.h"
#include "rill/tensor/error.h"
#include "rill/tensor/tensor.h"

namespace rill {

/// The first value that was not finite after `Tape::check_finite`.
class NonFiniteError : public Error {
 public:
  NonFiniteError(const std::string& message, std::string op, bool backwards, Place at)
      : Error(message), operation(std::move(op)), backward(backwards), place(std::move(at)) {}

  std::string operation;  ///< such as "log"
  bool backward;          ///< whether it was a gradient, given by the rule of that operation
  Place place;            ///< of the operation
};

namespace detail {

struct CheckedInput {
  Tensor value;
  std::string name;  ///< of a parameter that has one, else empty
};

/// "3 of 8 elements of [2, 4] are not finite, the first nan at [0, 1]"; empty when all are.
std::string non_finite_elements(const Tensor& x);

[[noreturn]] void throw_non_finite(const char* operation, bool backward, const Place& place,
                                   const ParameterNames& names, const std::string& what,
                                   const std::vector<CheckedInput>& inputs);

}  // namespace detail
}  // namespace rill
