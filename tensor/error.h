#pragma once

#include <stdexcept>
#include <string>

namespace rill {

/// What every exception of Rill derives from. The message names the operation, what it was given and what it
/// expected.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Sizes, ranks or axes that do not fit.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// Element types that do not fit.
class DTypeError : public Error {
 public:
  using Error::Error;
};

/// A value outside the domain of an operation or option: an index, a rate, a count.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A file that cannot be read or written, or that does not hold what it should.
class FileError : public Error {
 public:
  using Error::Error;
};

namespace detail {

/// Throws ValueError, naming what was called, for a std::function that is empty.
template <class F>
void require_function(const char* where, const F& f) {
  if (!f) throw ValueError(std::string(where) + ": the function is empty; expected one that can be called");
}

}  // namespace detail
}  // namespace rill
