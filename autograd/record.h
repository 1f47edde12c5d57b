#pragma once

// How an operation gets onto the tape: its value, and for each input the rule of its gradient.
//
//   Tensor operator*(const Tensor& a, const Tensor& b) {
//     return record("mul", kernels::mul(a, b), wrt(a, [b](const Tensor& g) { return g * b; }),
//                                              wrt(b, [a](const Tensor& g) { return g * a; }));
//   }
//
// A rule takes the cotangent g of the output (its shape and dtype) and returns that of the input, written in
// differentiable operations, so that the second derivative needs no more code. A rule of the form (g, y) gets
// the output handed in; capturing the output would keep it alive twice over. Axes along which the input was
// broadcast are summed by the sweep. A rule lives as long as the tape, and so does what it captures: capture
// by name, never [=]. The rule of an input that nobody differentiates by is dropped at once.

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/autograd/tape.h"
#include "rill/tensor/tensor.h"

namespace rill {

/// The cotangent transpose(left) x right of a weight, which the sweep gathers with those of the weight's
/// other uses into one matrix product. left [rows, m], right [rows, n], weight [m, n].
struct Product {
  Tensor left, right;
};

/// The cotangent left x right of an input, which the sweep forms on top of what it holds of it already.
struct Factors {
  Tensor left, right;
};

/// In place of a rule: the output is the elements start, start + step, ... of one axis of the input. The
/// sweep writes the cotangent into its place in the input's, without padding.
struct Window {
  int axis;
  std::int64_t start, step;
  bool drops_axis = false;  ///< the output is one element and lacks the axis
};

/// In place of a rule: the gradient is the cotangent itself, summed over what was broadcast. The sweep can
/// let whatever gives the cotangent write it where it ends up.
struct Identity {};

template <class Rule>
struct Wrt {
  const Tensor& input;
  Rule& rule;
};

/// "With respect to `input`": one input of an operation with its rule. Only for arguments of `record`: it
/// refers to both.
template <class Rule>
requires(!std::is_reference_v<Rule>) Wrt<Rule> wrt(const Tensor& input, Rule&& rule) { return {input, rule}; }

/// What a rule for several inputs and outputs at once is given, and gives.
class Backward {
 public:
  /// The cotangent of output j; holds no value where the target does not depend on that output.
  virtual const Tensor& cotangent(std::size_t output) const = 0;
  /// Whether the gradient of input i is asked for.
  virtual bool wants(std::size_t input) const = 0;
  virtual void give(std::size_t input, Tensor gradient) = 0;
  /// Whether the sweep itself is recorded, so that rules must use differentiable operations.
  virtual bool recorded() const = 0;
  /// Memory of the input's shape to write its gradient to, in place where it belongs: a view with gaps,
  /// perhaps, of uninitialised elements. It need not be given afterwards. Holds no value where the gradient
  /// has to be given, as always when recorded(). A rule that reads each element of an input before it writes
  /// that of its gradient gives the input as `over`: where nobody else sees it and the tape is given away, it
  /// may be the destination.
  virtual Tensor destination(std::size_t input, const Tensor& over = {}) = 0;

 protected:
  ~Backward() = default;
};

namespace detail {

struct RuleBase;

/// What kind of rule it is, and how it is called: one of these, which all rules of a type share.
struct RuleTable {
  Tensor (*gradient)(RuleBase&, const Tensor& g, const Tensor& y) = nullptr;
  Product (*product)(RuleBase&, const Tensor& g) = nullptr;
  Factors (*factors)(RuleBase&, const Tensor& g) = nullptr;
  const Window& (*window)(const RuleBase&) = nullptr;
  bool identity = false;
  void (*joint)(RuleBase&, Backward&) = nullptr;
  void (*destroy)(RuleBase&) noexcept = nullptr;
};

struct RuleBase {
  const RuleTable* table;
};

template <class F>
struct RuleOf final : RuleBase {
  F f;
  explicit RuleOf(F&& f_);
};

template <class F>
constexpr bool rule_takes_output = std::invocable<F&, const Tensor&, const Tensor&>;

template <class F>
constexpr RuleTable make_rule_table() {
  using Rule = RuleOf<F>;
  RuleTable table;
  if constexpr (std::same_as<F, Window>)
    table.window = [](const RuleBase& r) -> const Window& { return static_cast<const Rule&>(r).f; };
  else if constexpr (std::same_as<F, Identity>)
    table.identity = true;
  else if constexpr (rule_takes_output<F>)
    table.gradient = [](RuleBase& r, const Tensor& g, const Tensor& y) -> Tensor {
      return static_cast<Rule&>(r).f(g, y);
    };
  else if constexpr (std::invocable<F&, Backward&>)
    table.joint = [](RuleBase& r, Backward& b) { static_cast<Rule&>(r).f(b); };
  else if constexpr (std::same_as<std::invoke_result_t<F&, const Tensor&>, Product>)
    table.product = [](RuleBase& r, const Tensor& g) { return static_cast<Rule&>(r).f(g); };
  else if constexpr (std::same_as<std::invoke_result_t<F&, const Tensor&>, Factors>)
    table.factors = [](RuleBase& r, const Tensor& g) { return static_cast<Rule&>(r).f(g); };
  else
    table.gradient = [](RuleBase& r, const Tensor& g, const Tensor&) -> Tensor {
      return static_cast<Rule&>(r).f(g);
    };
  table.destroy = [](RuleBase& r) noexcept { static_cast<Rule&>(r).~Rule(); };
  return table;
}

template <class F>
inline constexpr RuleTable rule_table = make_rule_table<F>();

template <class F>
RuleOf<F>::RuleOf(F&& f_) : RuleBase{&rule_table<F>}, f(std::move(f_)) {}

/// The recording of this thread as long as it takes operations, else null.
class Recording;
extern thread_local constinit Recording* current;

/// Whether the tape that records now, if one does, knows x.
bool is_tracked(const Tensor& x) noexcept;
/// Whether an operation of the innermost tape gave x, so that this tape's gradients see that operation.
bool is_recorded_by_innermost_tape(const Tensor& x) noexcept;
/// The same elements as a value without a place on any tape.
Tensor untracked(Tensor x);

/// Whether a tape of this thread checks that values are finite.
extern thread_local constinit bool checking;
/// Keeps the inputs of the operation that is being recorded, to be shown if its outputs are not finite.
void note_input(const Tensor& x);

// The steps of recording one operation: begin_op, add_edge for each input, then add_output for each output.
void begin_op(const char* name);
void add_edge(const Tensor& input, RuleBase* rule);
void set_joint(RuleBase* rule);
Tensor add_output(Tensor value, bool keep);
void* allocate_rule(std::size_t size, std::size_t alignment);

template <class F>
RuleBase* make_rule(F&& f) {
  return new (allocate_rule(sizeof(RuleOf<F>), alignof(RuleOf<F>))) RuleOf<F>(std::forward<F>(f));
}

template <class F>
void add_rule(const Tensor& input, F&& rule) {
  if (checking) [[unlikely]]
    note_input(input);
  if (is_tracked(input)) add_edge(input, make_rule(std::forward<F>(rule)));
}

}  // namespace detail

/// Puts an operation with one output on the tape, if one records and an input is tracked, and returns the
/// output. Throws ValueError for an output or an input that holds no value.
template <class... Rules>
Tensor record(const char* name, Tensor value, Wrt<Rules>... inputs) {
  detail::require_values(name, value, inputs.input...);
  if (!detail::current || !(detail::is_tracked(inputs.input) || ...))
    return detail::untracked(std::move(value));
  detail::begin_op(name);
  (detail::add_rule(inputs.input, std::move(inputs.rule)), ...);
  return detail::add_output(std::move(value), (detail::rule_takes_output<Rules> || ...));
}

/// The same for an operation on a list of inputs, with as many rules.
template <class Rule>
Tensor record(const char* name, Tensor value, std::span<const Tensor> inputs, std::vector<Rule> rules) {
  detail::require_values(name, value);
  bool any = false;
  for (const Tensor& x : inputs) any = any || detail::is_tracked(x);
  if (!any) return detail::untracked(std::move(value));
  detail::begin_op(name);
  for (std::size_t i = 0; i < inputs.size(); ++i) detail::add_rule(inputs[i], std::move(rules[i]));
  return detail::add_output(std::move(value), detail::rule_takes_output<Rule>);
}

/// The same for an operation whose gradients come from one rule, `void rule(Backward&)`, but that of `added`,
/// which is the cotangent of the only output itself. The outputs are replaced by tracked ones.
template <class Rule>
void record_joint(const char* name, std::span<Tensor> outputs, std::span<const Tensor> inputs, Rule rule,
                  const Tensor& added = {}) {
  for (const Tensor& y : outputs) detail::require_values(name, y);
  bool any = detail::is_tracked(added);
  for (const Tensor& x : inputs) any = any || detail::is_tracked(x);
  if (!any) return;
  detail::begin_op(name);
  for (const Tensor& x : inputs) {
    if (detail::checking) [[unlikely]]
      detail::note_input(x);
    detail::add_edge(x, nullptr);
  }
  if (added.defined()) detail::add_rule(added, Identity{});
  detail::set_joint(detail::make_rule(std::move(rule)));
  for (Tensor& y : outputs) y = detail::add_output(std::move(y), false);
}

}  // namespace rill
