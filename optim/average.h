#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "rill/nn/fields.h"
#include "rill/tensor/tensor.h"

namespace rill::optim {

/// An exponential moving average of a model's weights, which often predicts better than the last ones (Polyak
/// and Juditsky 1992):  average = decay * average + (1 - decay) * weight.  It starts from the weights of the
/// first update.
///
///   optim::WeightAverage average{0.999};
///   ... after every optimiser step: average.update(model);
///   { auto averaged = average.use_in(model);  evaluate(model); }    // the weights are back after the scope
class WeightAverage {
 public:
  struct State {
    std::int64_t step = 0;                     ///< updates done
    std::map<std::string, Tensor> averages{};  ///< by parameter name
  };
  /// While it lives a model holds the averages, and afterwards its weights again. The model must live longer;
  /// what is written to its weights meanwhile is lost.
  class [[nodiscard]] Scope {
   public:
    Scope(std::vector<nn::NamedParameter> parameters, const State& state);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::vector<nn::NamedParameter> parameters_;
    std::vector<Tensor> weights_;
  };

  /// Throws ValueError unless decay is in [0, 1].
  explicit WeightAverage(double decay);

  double decay() const { return decay_; }

  // All that take a model throw one ValueError, with nothing changed, when its names, shapes or dtypes are
  // not those of the averages (update: unless it is the first).

  /// To be called after each step of the optimiser.
  template <nn::Module M>
  void update(M& model) {
    update(nn::parameters(model));
  }
  void update(const std::vector<nn::NamedParameter>& parameters);

  /// Puts the averages in the model's place for a scope.
  template <nn::Module M>
  Scope use_in(M& model) const {
    return Scope(nn::parameters(model), state_);
  }
  Scope use_in(const std::vector<nn::NamedParameter>& parameters) const { return Scope(parameters, state_); }
  /// Makes the averages the model's weights.
  template <nn::Module M>
  void copy_to(M& model) const {
    copy_to(nn::parameters(model));
  }
  void copy_to(const std::vector<nn::NamedParameter>& parameters) const;

  const State& state() const { return state_; }
  template <nn::Module M>
  void set_state(M& model, State state) {
    set_state(nn::parameters(model), std::move(state));
  }
  void set_state(const std::vector<nn::NamedParameter>& parameters, State state);

 private:
  double decay_;
  State state_;
};

}  // namespace rill::optim
