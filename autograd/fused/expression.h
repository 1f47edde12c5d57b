#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "rill/tensor/packet.h"
#include "rill/tensor/tensor.h"

namespace rill::fuse {

class Expression;
using simd::Number;

/// One value of an expression: what a lambda given to `fused` is called with in its third reading, which
/// writes down the operations. A number stands for itself.
class Term {
 public:
  template <Number N>
  Term(N number) : number_(static_cast<double>(number)) {}

  Term& operator+=(const Term& b);
  Term& operator-=(const Term& b);
  Term& operator*=(const Term& b);
  Term& operator/=(const Term& b);

 private:
  friend class Expression;
  Term(Expression* expression, std::size_t step) : expression_(expression), step_(step) {}

  Expression* expression_ = nullptr;
  std::size_t step_ = 0;
  double number_ = 0;
};

/// A term that is 1 where a condition is met, and 0 elsewhere.
struct TermCondition {
  Term term;
  explicit TermCondition(const Term& t) : term(t) {}
  TermCondition(bool b) : term(b) {}
};

/// The operations of a lambda given to `fused`, in order, to be evaluated as operations on tensors.
class Expression {
 public:
  /// An operation on tensors, which ignores operands that it does not have.
  using Operation = Tensor (*)(const Tensor&, const Tensor&);

  explicit Expression(std::size_t inputs);
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  Term input(std::size_t i) { return {this, i}; }
  static Term unary(Operation operation, const Term& x);
  static Term binary(Operation operation, const Term& a, const Term& b);
  static Term select(const TermCondition& condition, const Term& a, const Term& b);
  static Term name(const char* name, const Term& x);

  /// The values of the results, of that shape. A branch that `where` does not take adds nothing to a
  /// derivative of any order: where nothing that it computes is taken, it is computed from ones, at which all
  /// functions and all their derivatives are finite.
  std::vector<Tensor> evaluate(std::span<const Tensor> inputs, std::span<const Term> results,
                               const Shape& shape);

 private:
  struct Step {
    enum class Kind { input, number, operation, select, name } kind;
    std::vector<std::size_t> operands;
    Operation operation = nullptr;
    const char* name = nullptr;
    double number = 0;
  };
  /// The elements of a step's value that some result depends on: 1 or 0, or no value for all of them.
  using Mask = Tensor;

  std::size_t place_of(const Term& x);
  Term add(Step step);
  Tensor compute(std::size_t step, std::span<const Tensor> inputs, std::span<const Tensor> operands) const;
  std::vector<std::optional<Mask>> find_taken(const std::vector<Tensor>& values,
                                              const std::vector<std::size_t>& results) const;

  std::vector<Step> steps_;
};

Term operator+(const Term& a, const Term& b);
Term operator-(const Term& a, const Term& b);
Term operator*(const Term& a, const Term& b);
Term operator/(const Term& a, const Term& b);
Term operator+(const Term& x);
Term operator-(const Term& x);
TermCondition operator<(const Term& a, const Term& b);
TermCondition operator<=(const Term& a, const Term& b);
TermCondition operator>(const Term& a, const Term& b);
TermCondition operator>=(const Term& a, const Term& b);
TermCondition operator==(const Term& a, const Term& b);
TermCondition operator!=(const Term& a, const Term& b);
TermCondition operator!(const TermCondition& a);
TermCondition operator&&(const TermCondition& a, const TermCondition& b);
TermCondition operator||(const TermCondition& a, const TermCondition& b);

Term where(const TermCondition& condition, const Term& a, const Term& b);
Term maximum(const Term& a, const Term& b);
Term minimum(const Term& a, const Term& b);
Term pow(const Term& base, const Term& exponent);
Term abs(const Term& x);
Term sign(const Term& x);
Term exp(const Term& x);
Term expm1(const Term& x);
Term log(const Term& x);
Term log1p(const Term& x);
Term sqrt(const Term& x);
Term rsqrt(const Term& x);
Term square(const Term& x);
Term reciprocal(const Term& x);
Term sin(const Term& x);
Term cos(const Term& x);
Term erf(const Term& x);
Term tanh(const Term& x);
Term sigmoid(const Term& x);
Term relu(const Term& x);
Term softplus(const Term& x);
Term stop_gradient(const Term& x);
Term named(const char* name, const Term& x);

}  // namespace rill::fuse
