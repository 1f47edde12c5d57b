#include "rill/autograd/fused/expression.h"

#include <algorithm>
#include <limits>

#include "rill/autograd/named.h"
#include "rill/autograd/ops.h"
#include "rill/tensor/create.h"

namespace rill::fuse {

Expression::Expression(std::size_t inputs) : steps_(inputs, Step{Step::Kind::input, {}}) {}

std::size_t Expression::place_of(const Term& x) {
  if (x.expression_) return x.step_;
  steps_.push_back({Step::Kind::number, {}});
  steps_.back().number = x.number_;
  return steps_.size() - 1;
}

Term Expression::add(Step step) {
  steps_.push_back(std::move(step));
  return {this, steps_.size() - 1};
}

Term Expression::unary(Operation operation, const Term& x) {
  if (!x.expression_) return operation(x.number_, x.number_).item();
  return x.expression_->add({Step::Kind::operation, {x.step_}, operation});
}

Term Expression::binary(Operation operation, const Term& a, const Term& b) {
  if (!a.expression_ && !b.expression_) return operation(a.number_, b.number_).item();
  Expression& e = a.expression_ ? *a.expression_ : *b.expression_;
  const std::size_t first = e.place_of(a), second = e.place_of(b);
  return e.add({Step::Kind::operation, {first, second}, operation});
}

Term Expression::select(const TermCondition& condition, const Term& a, const Term& b) {
  const Term& c = condition.term;
  if (!c.expression_) return c.number_ != 0 ? a : b;
  Expression& e = *c.expression_;
  const std::size_t first = e.place_of(a), second = e.place_of(b);
  return e.add({Step::Kind::select, {first, second, c.step_}});
}

Term Expression::name(const char* name, const Term& x) {
  if (!x.expression_) return x;
  return x.expression_->add({Step::Kind::name, {x.step_}, nullptr, name});
}

Tensor Expression::compute(std::size_t step, std::span<const Tensor> inputs,
                           std::span<const Tensor> operands) const {
  const Step& s = steps_[step];
  switch (s.kind) {
    case Step::Kind::input:
      return inputs[step];
    case Step::Kind::number:
      return full({}, s.number, inputs[0].dtype());
    case Step::Kind::select:
      return rill::where(operands[2], operands[0], operands[1]);
    case Step::Kind::name:
      return operands[0];
    case Step::Kind::operation:
      break;
  }
  return s.operation(operands.front(), operands.back());
}

std::vector<std::optional<Expression::Mask>> Expression::find_taken(
    const std::vector<Tensor>& values, const std::vector<std::size_t>& results) const {
  std::vector<std::optional<Mask>> taken(steps_.size());
  const auto add = [&](std::size_t step, const Mask& mask) {
    auto& all = taken[step];
    if (!all)
      all = mask;
    else
      all = all->defined() && mask.defined() ? rill::maximum(*all, mask) : Mask();
  };
  for (const std::size_t result : results) add(result, Mask());
  for (std::size_t k = steps_.size(); k-- > 0;) {
    if (!taken[k]) continue;
    const Mask mask = *taken[k];
    const auto& operands = steps_[k].operands;
    if (steps_[k].kind == Step::Kind::select) {
      const Tensor& condition = values[operands[2]];
      const auto within = [&](const Tensor& c) { return mask.defined() ? mask * c : c; };
      add(operands[0], within(condition));
      add(operands[1], within(equal(condition, 0)));
    } else {
      for (const std::size_t operand : operands) add(operand, mask);
    }
  }
  return taken;
}

std::vector<Tensor> Expression::evaluate(std::span<const Tensor> inputs, std::span<const Term> results,
                                         const Shape& shape) {
  std::vector<std::size_t> ends;
  for (const Term& result : results) ends.push_back(place_of(result));
  const auto at_all = [](const std::vector<Tensor>& values, const std::vector<std::size_t>& places) {
    std::vector<Tensor> out;
    for (const std::size_t place : places) out.push_back(values[place]);
    return out;
  };

  // What is taken depends on conditions, so those come first; they are constants.
  std::vector<Tensor> constants(steps_.size());
  std::vector<std::optional<Mask>> taken(steps_.size(), Mask());
  if (std::any_of(steps_.begin(), steps_.end(), [](const Step& s) { return s.kind == Step::Kind::select; })) {
    std::vector<Tensor> fixed;
    for (const Tensor& x : inputs) fixed.push_back(stop_gradient(x));
    for (std::size_t k = 0; k < steps_.size(); ++k)
      constants[k] = compute(k, fixed, at_all(constants, steps_[k].operands));
    taken = find_taken(constants, ends);
  }

  std::vector<Tensor> values(steps_.size());
  for (std::size_t k = 0; k < steps_.size(); ++k) {
    const Step& step = steps_[k];
    const std::optional<Mask>& mask = taken[k];
    if (mask) {
      std::vector<Tensor> operands = at_all(values, step.operands);
      if (step.kind == Step::Kind::select) operands[2] = constants[step.operands[2]];
      if (mask->defined())
        for (std::size_t i = 0; i < std::min<std::size_t>(operands.size(), 2); ++i)
          operands[i] = rill::where(*mask, operands[i], 1);
      values[k] = compute(k, inputs, operands);
    }
    if (step.kind == Step::Kind::name && rill::detail::observer) {
      // Who observes sees what is not taken, too.
      if (!mask)
        values[k] = constants[k];
      else if (mask->defined())
        values[k] = rill::where(*mask, values[k], constants[k]);
      rill::named(step.name, values[k]);
    }
  }

  std::vector<Tensor> out = at_all(values, ends);
  for (Tensor& y : out)
    if (!(y.shape() == shape)) y = expand(y, shape);
  return out;
}

namespace {

template <class F>
Term unary(F, const Term& x) {
  return Expression::unary([](const Tensor& v, const Tensor&) -> Tensor { return F{}(v); }, x);
}

template <class F>
Term binary(F, const Term& a, const Term& b) {
  return Expression::binary([](const Tensor& x, const Tensor& y) -> Tensor { return F{}(x, y); }, a, b);
}

template <class F>
TermCondition compare(F f, const Term& a, const Term& b) {
  return TermCondition(binary(f, a, b));
}

}  // namespace

Term& Term::operator+=(const Term& b) { return *this = *this + b; }
Term& Term::operator-=(const Term& b) { return *this = *this - b; }
Term& Term::operator*=(const Term& b) { return *this = *this * b; }
Term& Term::operator/=(const Term& b) { return *this = *this / b; }

Term operator+(const Term& a, const Term& b) {
  return binary([](const Tensor& x, const Tensor& y) { return x + y; }, a, b);
}
Term operator-(const Term& a, const Term& b) {
  return binary([](const Tensor& x, const Tensor& y) { return x - y; }, a, b);
}
Term operator*(const Term& a, const Term& b) {
  return binary([](const Tensor& x, const Tensor& y) { return x * y; }, a, b);
}
Term operator/(const Term& a, const Term& b) {
  return binary([](const Tensor& x, const Tensor& y) { return x / y; }, a, b);
}
Term operator+(const Term& x) { return x; }
Term operator-(const Term& x) {
  return unary([](const Tensor& v) { return -v; }, x);
}

TermCondition operator<(const Term& a, const Term& b) {
  return compare([](const Tensor& x, const Tensor& y) { return x < y; }, a, b);
}
TermCondition operator<=(const Term& a, const Term& b) {
  return compare([](const Tensor& x, const Tensor& y) { return x <= y; }, a, b);
}
TermCondition operator>(const Term& a, const Term& b) { return b < a; }
TermCondition operator>=(const Term& a, const Term& b) { return b <= a; }
TermCondition operator==(const Term& a, const Term& b) {
  return compare([](const Tensor& x, const Tensor& y) { return equal(x, y); }, a, b);
}
TermCondition operator!=(const Term& a, const Term& b) {
  return compare([](const Tensor& x, const Tensor& y) { return not_equal(x, y); }, a, b);
}
TermCondition operator!(const TermCondition& a) { return a.term == 0; }
TermCondition operator&&(const TermCondition& a, const TermCondition& b) {
  return TermCondition(a.term * b.term);
}
TermCondition operator||(const TermCondition& a, const TermCondition& b) { return a.term + b.term != 0; }

Term where(const TermCondition& condition, const Term& a, const Term& b) {
  return Expression::select(condition, a, b);
}
// As conditions, so that the one that is not the result adds nothing to a derivative.
Term maximum(const Term& a, const Term& b) { return where(a > b, a, where(a < b, b, a * 0.5 + b * 0.5)); }
Term minimum(const Term& a, const Term& b) { return where(a < b, a, where(a > b, b, a * 0.5 + b * 0.5)); }
Term relu(const Term& x) {
  return where(x > 0, x, where(x <= 0, 0, std::numeric_limits<double>::quiet_NaN()));
}

Term pow(const Term& base, const Term& exponent) {
  return binary([](const Tensor& x, const Tensor& y) { return rill::pow(x, y); }, base, exponent);
}
Term abs(const Term& x) {
  return unary([](const Tensor& v) { return rill::abs(v); }, x);
}
Term sign(const Term& x) {
  return unary([](const Tensor& v) { return rill::sign(v); }, x);
}
Term exp(const Term& x) {
  return unary([](const Tensor& v) { return rill::exp(v); }, x);
}
Term expm1(const Term& x) {
  return unary([](const Tensor& v) { return rill::expm1(v); }, x);
}
Term log(const Term& x) {
  return unary([](const Tensor& v) { return rill::log(v); }, x);
}
Term log1p(const Term& x) {
  return unary([](const Tensor& v) { return rill::log1p(v); }, x);
}
Term sqrt(const Term& x) {
  return unary([](const Tensor& v) { return rill::sqrt(v); }, x);
}
Term rsqrt(const Term& x) {
  return unary([](const Tensor& v) { return rill::rsqrt(v); }, x);
}
Term square(const Term& x) {
  return unary([](const Tensor& v) { return rill::square(v); }, x);
}
Term reciprocal(const Term& x) {
  return unary([](const Tensor& v) { return rill::reciprocal(v); }, x);
}
Term sin(const Term& x) {
  return unary([](const Tensor& v) { return rill::sin(v); }, x);
}
Term cos(const Term& x) {
  return unary([](const Tensor& v) { return rill::cos(v); }, x);
}
Term erf(const Term& x) {
  return unary([](const Tensor& v) { return rill::erf(v); }, x);
}
Term tanh(const Term& x) {
  return unary([](const Tensor& v) { return rill::tanh(v); }, x);
}
Term sigmoid(const Term& x) {
  return unary([](const Tensor& v) { return rill::sigmoid(v); }, x);
}
Term softplus(const Term& x) {
  return unary([](const Tensor& v) { return rill::softplus(v); }, x);
}
Term stop_gradient(const Term& x) {
  return unary([](const Tensor& v) { return rill::stop_gradient(v); }, x);
}
Term named(const char* name, const Term& x) { return Expression::name(name, x); }

}  // namespace rill::fuse
