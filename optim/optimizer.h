#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rill/autograd/gradients.h"
#include "rill/nn/fields.h"
#include "rill/optim/state.h"

namespace rill::optim {

/// What training asks of an update rule, a user's own too: a copyable type that changes parameters by their
/// gradients and whose memory can be saved and set. `learning_rate()`, `learning_rate_factor()` and
/// `set_learning_rate_factor()` are used where it has them.
template <class T>
concept UpdateRule = std::copy_constructible<T> &&
    requires(T& rule, const T& fixed, const std::vector<nn::NamedParameter>& parameters,
             const Gradients& gradients, State state) {
  rule.update(parameters, gradients);
  { fixed.state() } -> std::convertible_to<State>;
  rule.set_state(parameters, state);
};

/// Any update rule, as a value: a copy is an optimiser of its own. From `std::ref(adam)` it works on that
/// object, which must live as long, instead of on a copy.
class Optimizer {
 public:
  template <class T>
  requires(!std::same_as<T, Optimizer> && UpdateRule<T>) Optimizer(T rule)
      : held_(std::make_unique<Held<T>>(std::move(rule))) {}  // NOLINT: a rule is an optimiser
  template <UpdateRule T>
  Optimizer(std::reference_wrapper<T> rule) : held_(std::make_unique<Held<T&>>(rule.get())) {}  // NOLINT
  Optimizer(const Optimizer& other) : held_(other.held_->copy()) {}
  Optimizer(Optimizer&&) noexcept = default;
  Optimizer& operator=(Optimizer other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }
  ~Optimizer() = default;

  template <nn::Module M>
  void update(M& model, const Gradients& gradients) {
    update(nn::parameters(model), gradients);
  }
  void update(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients) {
    held_->update(parameters, gradients);
  }
  State state() const { return held_->state(); }
  template <nn::Module M>
  void set_state(M& model, State state) {
    set_state(nn::parameters(model), std::move(state));
  }
  void set_state(const std::vector<nn::NamedParameter>& parameters, State state) {
    held_->set_state(parameters, std::move(state));
  }

  /// The learning rate of the next update; nothing where the rule does not say.
  std::optional<double> learning_rate() const { return held_->learning_rate(); }
  /// 1 where the rule has none.
  double learning_rate_factor() const { return held_->learning_rate_factor(); }
  /// Throws ValueError where the rule has none.
  void set_learning_rate_factor(double factor) { held_->set_learning_rate_factor(factor); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual std::unique_ptr<Base> copy() const = 0;
    virtual void update(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients) = 0;
    virtual State state() const = 0;
    virtual void set_state(const std::vector<nn::NamedParameter>& parameters, State state) = 0;
    virtual std::optional<double> learning_rate() const = 0;
    virtual double learning_rate_factor() const = 0;
    virtual void set_learning_rate_factor(double factor) = 0;
  };
  [[noreturn]] static void throw_no_factor();

  // T is a rule, or a reference to one.
  template <class T>
  struct Held final : Base {
    explicit Held(T&& held) : rule(std::forward<T>(held)) {}
    std::unique_ptr<Base> copy() const override {
      T again = rule;
      return std::make_unique<Held>(std::forward<T>(again));
    }
    void update(const std::vector<nn::NamedParameter>& parameters, const Gradients& gradients) override {
      rule.update(parameters, gradients);
    }
    State state() const override { return std::as_const(rule).state(); }
    void set_state(const std::vector<nn::NamedParameter>& parameters, State state) override {
      rule.set_state(parameters, std::move(state));
    }
    std::optional<double> learning_rate() const override {
      if constexpr (requires {
                      { rule.learning_rate() } -> std::convertible_to<double>;
                    })
        return rule.learning_rate();
      else
        return std::nullopt;
    }
    double learning_rate_factor() const override {
      if constexpr (requires {
                      { rule.learning_rate_factor() } -> std::convertible_to<double>;
                    })
        return rule.learning_rate_factor();
      else
        return 1;
    }
    void set_learning_rate_factor([[maybe_unused]] double factor) override {
      if constexpr (requires { rule.set_learning_rate_factor(factor); })
        rule.set_learning_rate_factor(factor);
      else
        throw_no_factor();
    }
    T rule;
  };

  std::unique_ptr<Base> held_;
};

}  // namespace rill::optim
