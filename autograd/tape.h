#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rill/autograd/gradients.h"
#include "rill/autograd/place.h"
#include "rill/tensor/tensor.h"

namespace rill {

/// What is differentiated: a value and the weight of each of its elements. A value of one element needs no
/// weights.
struct Target {
  Tensor value;
  Tensor cotangent;  ///< the shape and dtype of value

  Target(Tensor value_) : value(std::move(value_)) {}  // NOLINT: a loss is a target
  Target(Tensor value_, Tensor cotangent_) : value(std::move(value_)), cotangent(std::move(cotangent_)) {}
};

struct AllGradients;

namespace detail {
class Recording;
struct OpenTape;
}  // namespace detail

/// A recording of differentiable operations, from this object's construction to its destruction, on this
/// thread.
///
/// With no tape in scope nothing is recorded. Tapes nest: an inner tape differentiates what came after its
/// construction, and while an outer tape records, so is the inner one's reverse sweep, which gives
/// derivatives of any order. A value from a tape that has ended is a constant. A tape keeps alive what its
/// operations need for their gradients, and frees it all when the last of the nested tapes ends. The sweep is
/// a loop, so a recording may be of any length. A tape may end on another thread, yet its functions throw
/// ValueError there; what is recorded is then freed when the thread that made it makes its next tape, or
/// ends.
class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  static void* operator new(std::size_t) = delete;  // its scope is its lifetime

  /// The same value, as a source to differentiate by. Throws DTypeError unless its dtype is floating.
  Tensor watch(const Tensor& x);

  // All of these throw ShapeError for a target of more than one element without a cotangent, or with one of
  // another shape, and DTypeError for dtypes that are not floating. May be called several times.

  /// The gradient with respect to every trainable parameter that the target depends on. Throws ValueError
  /// when there is none.
  Gradients gradient(const Target& target) const&;
  /// The same for the last time, as `std::move(tape).gradient(loss)`: what the tape keeps is freed as the
  /// sweep goes, and gradients are written over values that nobody else sees. Another gradient of this tape
  /// throws ValueError. While an outer tape records, nothing is given away, and this is the same as above.
  Gradients gradient(const Target& target) &&;
  /// The gradient with respect to any value that the tape saw: watched, a parameter, or the result of an
  /// operation. A tensor that holds no value (`!defined()`) where the target does not depend on the source.
  /// Throws ValueError for a source that the tape never saw.
  Tensor gradient(const Target& target, const Tensor& source) const;
  std::vector<Tensor> gradient(const Target& target, const std::vector<Tensor>& sources) const;
  /// The same, so that braces give a list whatever is in them: `tape.gradient(y, {x})`.
  std::vector<Tensor> gradient(const Target& target, std::initializer_list<Tensor> sources) const {
    return gradient(target, std::vector<Tensor>(sources));
  }
  /// The sum of the gradients of several targets.
  std::vector<Tensor> gradient(std::span<const Target> targets, const std::vector<Tensor>& sources) const;

  /// Both kinds from one sweep: the gradients with respect to every trainable parameter and to these values.
  /// Costs no more than the parameters' alone but for the memory of the others.
  AllGradients all_gradients(const Target& target, const std::vector<Tensor>& sources) const;

  /// The number of operations recorded since this tape began.
  std::size_t size() const;

  /// From now on, until this tape ends, every result of an operation and every gradient of a reverse sweep is
  /// checked; the first that is not finite throws NonFiniteError (rill/autograd/check_finite.h), which names
  /// the operation, its place in the model, the time step, the direction and what entered it. Expressions
  /// given to `fused` are evaluated operation by operation, so that the one within is named. For finding a
  /// fault, not for every day: all values are read once more. `nn::names(model)` gives the names to show.
  void check_finite(const ParameterNames& names = {});

  /// What this tape has recorded: how many operations and values, and a table of the operations by name with
  /// the bytes of their results (views, which share memory, are counted as if they did not), then by place.
  std::string explain(const ParameterNames& names = {}) const;
  /// The same as a graph in Graphviz's language: a node for each operation or, beyond 1,000 operations, for
  /// each kind of operation in each layer.
  std::string graphviz(const ParameterNames& names = {}) const;

 private:
  AllGradients all_gradients(const Target& target, const std::vector<Tensor>& sources, bool gives_away) const;
  detail::Recording& recording(const char* function) const;
  void check_kept() const;

  std::shared_ptr<detail::Recording> recording_;
  std::shared_ptr<detail::OpenTape> open_;
  bool given_away_ = false;
};

struct AllGradients {
  Gradients parameters;
  std::vector<Tensor> sources;  ///< in the order asked for; without a value where the target does not depend
};

/// While one is in scope, no tape of this thread records.
class PauseRecording {
 public:
  PauseRecording();
  ~PauseRecording();
  PauseRecording(const PauseRecording&) = delete;
  PauseRecording& operator=(const PauseRecording&) = delete;

 private:
  std::shared_ptr<detail::Recording> recording_;
};

/// Whether an operation on a watched value would be recorded now.
bool is_recording();

}  // namespace rill
