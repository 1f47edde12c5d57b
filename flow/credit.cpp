#include "rill/flow/credit.h"

#include <unordered_map>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/record.h"
#include "rill/flow/length.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::flow {

struct Credit::Term {
  Tensor copy;  // of the parameter, for this step
  double norm = 0;
  Tensor gradient;
};

struct Credit::Terms {
  bool keep_gradients;
  std::unordered_map<std::uint64_t, std::vector<Term>> of;  // by Parameter::id(), then by time
};

Credit::Credit(const nn::Fields& parameters, CreditOptions options)
    : terms_(std::make_shared<Terms>(Terms{options.keep_gradients, {}})),
      on_use_([this](const Parameter& parameter, const Tensor& value) { return use(parameter, value); }) {
  for (const auto& [name, parameter] : nn::parameters(parameters)) terms_->of[parameter->id()];
}

Tensor Credit::use(const Parameter& parameter, const Tensor& value) {
  const auto found = terms_->of.find(parameter.id());
  if (found == terms_->of.end() || time_ < 0) return value;
  const auto time = static_cast<std::size_t>(time_);
  if (found->second.size() <= time) found->second.resize(time + 1);
  Term& term = found->second[time];
  if (detail::is_recorded_by_innermost_tape(term.copy)) return term.copy;
  // The tape may outlive this object, so its rule shares the terms.
  term = {};
  term.copy = on_gradient(value, [terms = terms_, id = parameter.id(), time](const Tensor& g) {
    Term& met = terms->of[id][time];
    met.norm = length(g);
    if (terms->keep_gradients) met.gradient = stop_gradient(g);
    return g;
  });
  return term.copy;
}

const std::vector<Credit::Term>& Credit::terms(const Parameter& parameter) const {
  const auto found = terms_->of.find(parameter.id());
  if (found == terms_->of.end() || found->second.empty())
    throw ValueError(
        "Credit: no recurrent layer used this parameter on a tape while the Credit that watches it was in "
        "scope");
  return found->second;
}

Tensor Credit::norms(const Parameter& parameter) const {
  std::vector<double> out;
  for (const Term& term : terms(parameter)) out.push_back(term.norm);
  return Tensor::from(out);
}

std::vector<Tensor> Credit::gradients(const Parameter& parameter) const {
  if (!terms_->keep_gradients) throw ValueError("Credit: gradients are kept with {.keep_gradients = true}");
  std::vector<Tensor> out;
  for (const Term& term : terms(parameter)) out.push_back(term.gradient);
  return out;
}

}  // namespace rill::flow
