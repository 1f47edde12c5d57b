#pragma once

#include <array>
#include <concepts>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "rill/autograd/place.h"
#include "rill/autograd/tape.h"
#include "rill/nn/fields.h"
#include "rill/tensor/error.h"

namespace rill::nn {

/// The state of a recurrent cell, each tensor [batch, ...]: one tensor, or an std::array or std::tuple of
/// them whose first is the output.
template <class S>
struct StateTraits {
  static constexpr bool valid = false;
};
template <>
struct StateTraits<Tensor> {
  static constexpr bool valid = true;
  static std::vector<Tensor> pack(const Tensor& state) { return {state}; }
  static Tensor unpack(const std::vector<Tensor>& parts) { return parts[0]; }
};
template <std::size_t N>
struct StateTraits<std::array<Tensor, N>> {
  static constexpr bool valid = true;
  static std::vector<Tensor> pack(const std::array<Tensor, N>& state) { return {state.begin(), state.end()}; }
  static std::array<Tensor, N> unpack(const std::vector<Tensor>& parts) {
    std::array<Tensor, N> state;
    for (std::size_t i = 0; i < N; ++i) state[i] = parts[i];
    return state;
  }
};
template <std::same_as<Tensor>... T>
struct StateTraits<std::tuple<T...>> {
  static constexpr bool valid = sizeof...(T) > 0;
  static std::vector<Tensor> pack(const std::tuple<T...>& state) {
    return std::apply([](const auto&... part) { return std::vector<Tensor>{part...}; }, state);
  }
  static std::tuple<T...> unpack(const std::vector<Tensor>& parts) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return std::tuple<T...>{parts[I]...}; }
    (std::index_sequence_for<T...>{});
  }
};

/// What `Recurrent` drives. A cell is a module with
///   using State = Tensor;                         or std::array<Tensor, N>, std::tuple<Tensor, Tensor>
///   std::int64_t hidden_size() const;             the last size of every part of the state
///   input(x)                                      what of a step does not depend on the state, such as a
///   Linear member:
///                                                 applied to the whole sequence at once,
///                                                 [time, batch, features] -> [time, batch, ...]
///   State operator()(const Tensor& input, const State& state) const;   one step, which keeps the shape and
///   dtype of every part
/// and, where zeros of [batch, hidden_size] are not the first state, State initial_state(batch, dtype) const;
/// and, to name the parts of its state in a trace ("hidden", "state1", ... otherwise), static
/// std::vector<std::string> state_names();
/// and, where the recurrent product alone is to see dropout, operator()(input, state, h), in which h is the
/// output that dropout acted on.
template <class C>
concept Cell = Module<C> && StateTraits<typename C::State>::valid &&
    requires(const C& cell, const Tensor& x, const typename C::State& state) {
  { cell.hidden_size() } -> std::convertible_to<std::int64_t>;
  { cell.input(x) } -> std::convertible_to<Tensor>;
  { cell(x, state) } -> std::convertible_to<typename C::State>;
};

struct RecurrentOptions {
  std::int64_t layers = 1;     ///< each reads the outputs of the one before
  bool bidirectional = false;  ///< a second cell reads backwards; outputs are joined on the last axis
  double dropout = 0;          ///< between layers
  double recurrent_dropout =
      0;  ///< of the state at every step, one mask a sequence (Gal and Ghahramani 2016)
};

/// What a call of a recurrent layer may be given beside the sequence.
template <class State>
struct RecurrentCall {
  /// One state for each layer and direction, as a result holds them; empty for the cells' first states.
  std::vector<State> initial = {};
  /// int64 [batch], each from 0 to the time of the sequence: how many steps of each row count. Beyond them
  /// the state stays as it is and outputs are zeros.
  Tensor lengths = {};
  /// The same for steps anywhere, in place of lengths: [batch, time] of any dtype, 0 for a step that does not
  /// count. Whatever x holds at such a step, in either form, cells see zeros there.
  Tensor mask = {};
};

template <class State>
struct RecurrentResult {
  Tensor outputs;  ///< of the last layer, [batch, time, directions * hidden]
  Tensor last;  ///< of the last layer after each row's last step (its first, backwards), [batch, directions *
                ///< hidden]
  std::vector<State>
      state;  ///< final, of each layer and in it each direction: layer 0 forward, layer 0 backward, ...
};

/// What one cell computed at every time step, by name.
struct CellTrace {
  std::vector<std::string> names;  ///< the state's parts, then what the cell names (rill/autograd/named.h)
  std::map<std::string, std::vector<Tensor>> values;  ///< one [batch, ...] for each time step

  /// The values of that name, in order of time. At a step that was left out, as it counts for no row of the
  /// batch, only those of the state are there; the others hold no value. Throws ValueError for another name.
  const std::vector<Tensor>& operator[](const std::string& name) const;
};

/// A result with everything that led to it. All tensors are those that went into what followed, so
/// `tape.gradient(loss, run.hidden)` is the gradient with respect to every h_t, from one reverse sweep.
template <class State>
struct RecurrentTrace : RecurrentResult<State> {
  std::vector<CellTrace> cells;  ///< layer 0 forward, layer 0 backward, ..., as in `state`
  std::vector<Tensor> hidden;    ///< the outputs h_t of the last layer's forward cell, in order of time
};

namespace detail {

/// A cell without its type.
struct CellReference {
  std::string kind;
  std::vector<std::string> state_names;
  Place place;  ///< without its number among the layers
  std::function<Tensor(const Tensor&)> input;
  std::function<std::vector<Tensor>(Tensor input, const std::vector<Tensor>&, const Tensor& dropped)> step;
  std::function<std::vector<Tensor>(std::int64_t batch, DType dtype)> initial;
};

struct UntypedResult {
  Tensor outputs, last;
  std::vector<std::vector<Tensor>> state;
};

void check(const RecurrentOptions& options);
UntypedResult run_recurrent(const std::vector<CellReference>& cells, const RecurrentOptions& options,
                            const Tensor& x, const std::vector<std::vector<Tensor>>& initial,
                            const Tensor& lengths, const Tensor& mask,
                            std::vector<CellTrace>* traces = nullptr);
Tensor zero_state(std::int64_t batch, std::int64_t hidden, DType dtype);

/// Under the cell's kind, from its first to its last parameter.
Place place_of(const std::string& kind, const Fields& fields);
template <Module M>
std::string kind_of(const M& module) {
  if constexpr (requires { module.kind(); })
    return module.kind();
  else
    return "Recurrent";
}

template <Cell C>
CellReference refer_to(const C& cell) {
  using Traits = StateTraits<typename C::State>;
  std::vector<std::string> names;
  if constexpr (requires { C::state_names(); }) names = C::state_names();
  return {kind_of(cell),
          std::move(names),
          is_recording() ? place_of(kind_of(cell), fields_of(cell)) : Place{},
          [&cell](const Tensor& x) -> Tensor { return cell.input(x); },
          [&cell](Tensor input, const std::vector<Tensor>& parts, [[maybe_unused]] const Tensor& dropped) {
            typename C::State state = Traits::unpack(parts);
            if constexpr (requires { cell(input, state, dropped); }) {
              return Traits::pack(cell(std::move(input), state, dropped));
            } else {
              if constexpr (std::same_as<typename C::State, Tensor>)
                state = dropped;
              else
                std::get<0>(state) = dropped;
              return Traits::pack(cell(std::move(input), state));
            }
          },
          [&cell](std::int64_t batch, DType dtype) {
            if constexpr (requires { cell.initial_state(batch, dtype); }) {
              return Traits::pack(cell.initial_state(batch, dtype));
            } else {
              const Tensor zeros = zero_state(batch, cell.hidden_size(), dtype);
              std::size_t parts = 1;
              if constexpr (!std::same_as<typename C::State, Tensor>)
                parts = std::tuple_size_v<typename C::State>;
              return std::vector<Tensor>(parts, zeros);
            }
          }};
}

}  // namespace detail

/// Drives a cell along sequences [batch, time, features]: several layers, both directions, rows of unequal
/// lengths, dropout, the state in and out. The part of a step that does not depend on the state is one matrix
/// product for all steps.
template <class C>
class Recurrent {
  static_assert(Cell<C>,
                "nn::Recurrent: this type is no cell; see nn::Cell in rill/nn/recurrent.h for what one has");

 public:
  using State = typename C::State;

  /// One cell, one direction.
  explicit Recurrent(C cell) : cells_{std::move(cell)} {}
  /// `make(layer, backwards)` makes the cells: the first layer reads the sequence, the others the outputs
  /// below them.
  Recurrent(const RecurrentOptions& options, const std::function<C(std::int64_t layer, bool backwards)>& make)
      : options_(options) {
    detail::check(options);
    rill::detail::require_function("Recurrent", make);
    for (std::int64_t layer = 0; layer < options.layers; ++layer)
      for (int direction = 0; direction < (options.bidirectional ? 2 : 1); ++direction)
        cells_.push_back(make(layer, direction == 1));
  }

  /// x [batch, time, features]. Throws ShapeError for another rank, no time steps, and lengths, a mask or
  /// states that do not fit, also where a cell makes them; DTypeError for states of another dtype than x;
  /// ValueError for a length out of range.
  RecurrentResult<State> operator()(const Tensor& x, const RecurrentCall<State>& call = {}) const {
    return run(x, call, nullptr);
  }

  /// The same with every state and every value that the cells name, for every time step. Slower: expressions
  /// given to `fused` are evaluated operation by operation.
  RecurrentTrace<State> trace(const Tensor& x, const RecurrentCall<State>& call = {}) const {
    std::vector<CellTrace> traces;
    RecurrentTrace<State> result{run(x, call, &traces), std::move(traces), {}};
    const CellTrace& last = result.cells[cells_.size() - (options_.bidirectional ? 2 : 1)];
    result.hidden = last[last.names.front()];
    return result;
  }

  const std::vector<C>& cells() const { return cells_; }
  std::vector<C>& cells() { return cells_; }
  /// The fields of the cell; of several, under "forward0", "backward0", "forward1", ...
  Fields fields() {
    if (cells_.size() == 1) return cells_[0].fields();
    std::vector<Field> out;
    const std::size_t directions = options_.bidirectional ? 2 : 1;
    for (std::size_t i = 0; i < cells_.size(); ++i)
      out.emplace_back((i % directions ? "backward" : "forward") + std::to_string(i / directions), cells_[i]);
    return Fields(std::move(out));
  }
  std::string kind() const {
    if constexpr (requires(const C& cell) { cell.kind(); })
      return cells_[0].kind();
    else
      return "Recurrent";
  }

 private:
  RecurrentResult<State> run(const Tensor& x, const RecurrentCall<State>& call,
                             std::vector<CellTrace>* traces) const {
    std::vector<detail::CellReference> cells;
    for (const C& cell : cells_) cells.push_back(detail::refer_to(cell));
    std::vector<std::vector<Tensor>> initial;
    for (const State& state : call.initial) initial.push_back(StateTraits<State>::pack(state));
    auto untyped = detail::run_recurrent(cells, options_, x, initial, call.lengths, call.mask, traces);
    RecurrentResult<State> result{std::move(untyped.outputs), std::move(untyped.last), {}};
    for (const auto& parts : untyped.state) result.state.push_back(StateTraits<State>::unpack(parts));
    return result;
  }

  RecurrentOptions options_;
  std::vector<C> cells_;
};

}  // namespace rill::nn
