#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rill/autograd/parameter.h"
#include "rill/nn/fields.h"
#include "rill/nn/recurrent_observer.h"
#include "rill/tensor/tensor.h"

namespace rill::flow {

struct CreditOptions {
  bool keep_gradients = false;  ///< not their norms alone
};

/// How much each time step contributes to the gradient of each weight. The gradient of a recurrent weight is
/// a sum over time (Werbos 1990; Pascanu et al. 2013, eq. 4),
///
///   dL/dW = sum_t (dL/dW)_t,   for an RNN (dL/dW)_t = h_{t-1}^T dL/dz_t,
///
/// in which (dL/dW)_t is what W's use at step t gives. While a Credit is in scope, every step of a recurrent
/// layer uses a copy of each watched parameter, so that the sweep for the parameters' gradients meets these
/// terms one by one; that holds for every cell, a user's too.
///
///   flow::Credit credit(model.lstm);
///   Tape tape;
///   const Tensor loss = ...;
///   const Gradients gradients = tape.gradient(loss);
///   credit.norms(model.lstm.cells()[0].recurrent)     // ||(dL/dW)_t||, [time]
///
/// Several uses at one step, as of weights that layers share, count as one. The terms of the sweep that ran
/// last are held. Each term is a matrix product of its own, where a sweep without a Credit makes one of all.
class Credit : private nn::RecurrentObserver {
 public:
  /// Watches these parameters where they are trainable. They, not the Fields, must live as long.
  explicit Credit(const nn::Fields& parameters, CreditOptions options = {});
  template <nn::Module M>
  explicit Credit(M& module, CreditOptions options = {}) : Credit(module.fields(), options) {}

  /// ||(dL/dW)_t|| by time step, float64 [time]; 0 where W was not used or nothing came back. Throws
  /// ValueError for a parameter that no recurrent layer used on a tape while this was in scope.
  Tensor norms(const Parameter& parameter) const;
  /// (dL/dW)_t by time step; without a value where W was not used or nothing came back. Throws ValueError as
  /// above, and unless keep_gradients is set.
  std::vector<Tensor> gradients(const Parameter& parameter) const;

 private:
  struct Term;
  struct Terms;
  bool wants_separate_steps() const override { return true; }
  void begin_step(std::int64_t time) override { time_ = time; }
  Tensor use(const Parameter& parameter, const Tensor& value);
  const std::vector<Term>& terms(const Parameter& parameter) const;

  std::int64_t time_ = -1;
  std::shared_ptr<Terms> terms_;
  OnParameterUse on_use_;
};

}  // namespace rill::flow
