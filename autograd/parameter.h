#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "rill/tensor/tensor.h"

namespace rill {

/// A tensor that training changes. Used in an operation, it is a source that every tape knows:
/// `tape.gradient(loss)` has a gradient for each parameter that the loss depends on. A copy is a parameter of
/// its own, with the same value (which both share until one is updated).
class Parameter {
 public:
  Parameter() = default;
  /// Throws DTypeError unless the value has a floating dtype.
  explicit Parameter(Tensor value);

  Parameter(const Parameter& other) : trainable(other.trainable), value_(other.value_) {}
  Parameter& operator=(const Parameter& other) {
    value_ = other.value_;
    trainable = other.trainable;
    return *this;
  }
  Parameter(Parameter&& other) noexcept
      : trainable(other.trainable),
        value_(std::move(other.value_)),
        id_(std::exchange(other.id_, next_id())) {}
  Parameter& operator=(Parameter&& other) noexcept {
    value_ = std::move(other.value_);
    trainable = other.trainable;
    std::swap(id_, other.id_);
    return *this;
  }

  /// The value as operations see it: on the tape that records, if one does.
  operator Tensor() const;  // NOLINT: a parameter is used like a tensor
  /// The value as plain numbers.
  const Tensor& value() const { return value_; }
  /// The value to be updated in place. Tensors that shared it keep what they had.
  Tensor& mutable_value() { return value_; }

  const Shape& shape() const { return value_.shape(); }
  DType dtype() const { return value_.dtype(); }
  std::int64_t count() const { return value_.count(); }
  /// Distinguishes this parameter from all others of this run of the program.
  std::uint64_t id() const { return id_; }

  bool trainable = true;  ///< a tape treats a frozen parameter as a constant

 private:
  static std::uint64_t next_id() noexcept;
  Tensor on_tape() const;
  Tensor value_;
  std::uint64_t id_ = next_id();
};

/// While one is in scope, every use of a trainable parameter that a tape of this thread records gets
/// f(parameter, value) in place of its value: to look at the gradient of each use, or to disturb weights. The
/// innermost one alone acts.
class OnParameterUse {
 public:
  using Function = std::function<Tensor(const Parameter& parameter, const Tensor& value)>;
  explicit OnParameterUse(Function f);
  ~OnParameterUse();
  OnParameterUse(const OnParameterUse&) = delete;
  OnParameterUse& operator=(const OnParameterUse&) = delete;

 private:
  Function f_;
  const Function* outer_;
};

}  // namespace rill
