#pragma once

#include <cstdint>
#include <string>

#include "rill/autograd/place.h"
#include "rill/nn/fields.h"

// What can be said of, and done to, any module through its fields.

namespace rill::nn {

/// The number of elements of all parameters, or of the trainable ones alone.
std::int64_t count_parameters(const Fields& fields, bool trainable_only = false);

/// A table as Keras prints it: each layer with its name, kind, parameters and their number, and the totals.
std::string summary(const Fields& fields);

/// The names of the parameters, for `Tape::check_finite` and `Tape::explain` to show places by.
ParameterNames names(const Fields& fields);

/// Whether two modules have the same parameters by name, shape, dtype and every bit.
bool equal(const Fields& a, const Fields& b);

/// Converts every parameter to a floating dtype. Throws DTypeError for int64.
void to(const Fields& fields, DType dtype);

/// Makes a tape treat every parameter as a constant, or as a source again.
void set_trainable(const Fields& fields, bool trainable);

template <Module M>
std::int64_t count_parameters(const M& module, bool trainable_only = false) {
  return count_parameters(detail::fields_of(module), trainable_only);
}
template <Module M>
std::string summary(const M& module) {
  return summary(detail::fields_of(module));
}
template <Module M>
ParameterNames names(const M& module) {
  return names(detail::fields_of(module));
}
template <Module M>
bool equal(const M& a, const M& b) {
  return equal(detail::fields_of(a), detail::fields_of(b));
}
template <Module M>
void to(M& module, DType dtype) {
  to(module.fields(), dtype);
}
template <Module M>
void set_trainable(M& module, bool trainable) {
  set_trainable(module.fields(), trainable);
}

}  // namespace rill::nn
