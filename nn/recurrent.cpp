#include "rill/nn/recurrent.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "rill/autograd/fused.h"
#include "rill/autograd/named.h"
#include "rill/nn/dropout.h"
#include "rill/nn/recurrent_observer.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/rows.h"

namespace rill::nn {

const std::vector<Tensor>& CellTrace::operator[](const std::string& name) const {
  const auto found = values.find(name);
  if (found == values.end())
    throw ValueError(fmt::format("trace: there is no '{}'; there are {}", name, fmt::join(names, ", ")));
  return found->second;
}

namespace detail {
namespace {

// Which steps of which rows count.
class Steps {
 public:
  enum class Rows : std::uint8_t { all, some, none };

  Steps(const Tensor& lengths, const Tensor& mask, std::int64_t batch, std::int64_t time, DType dtype)
      : rows_(rill::detail::with_memory("Recurrent", static_cast<std::uint64_t>(time), sizeof(Tensor), [&] {
          return std::vector<Rows>(static_cast<std::size_t>(time), Rows::all);
        })) {
    if (lengths.defined() && mask.defined())
      throw ValueError("Recurrent: both lengths and a mask were given; expected one of them");
    Tensor counts;  // [time, batch]
    if (lengths.defined()) {
      check_lengths(lengths, batch, time);
      counts = unsqueeze(arange(time), 1) < lengths;
    } else if (mask.defined()) {
      if (!(mask.shape() == Shape{batch, time}))
        throw ShapeError(fmt::format("Recurrent: a mask of shape {}; expected [{}, {}]",
                                     to_string(mask.shape()), batch, time));
      counts = transpose(not_equal(mask, 0));
    } else {
      return;
    }
    counts_ = unsqueeze(cast(counts, dtype), -1);
    const auto totals = sum(counts_, {1, 2}).to_vector<double>();
    for (std::size_t t = 0; t < rows_.size(); ++t)
      if (totals[t] < static_cast<double>(batch)) rows_[t] = totals[t] > 0 ? Rows::some : Rows::none;
    // What depends on the layer and its input must not depend on the data: one step is always computed.
    if (std::all_of(rows_.begin(), rows_.end(), [](Rows r) { return r == Rows::none; }))
      rows_[0] = Rows::some;
  }

  Rows rows(std::int64_t step) const { return rows_[static_cast<std::size_t>(step)]; }
  bool all() const {
    return std::all_of(rows_.begin(), rows_.end(), [](Rows r) { return r == Rows::all; });
  }
  const Tensor& counts() const { return counts_; }  // [time, batch, 1], 1 where a step counts, else 0

 private:
  static void check_lengths(const Tensor& lengths, std::int64_t batch, std::int64_t time) {
    if (lengths.dtype() != DType::int64 || !(lengths.shape() == Shape{batch}))
      throw ShapeError(fmt::format("Recurrent: lengths {} {}; expected int64 [{}]", name(lengths.dtype()),
                                   to_string(lengths.shape()), batch));
    const auto values = lengths.to_vector<std::int64_t>();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (values[i] < 0 || values[i] > time)
        throw ValueError(
            fmt::format("Recurrent: length {} at place {} does not lie in [0, {}]", values[i], i, time));
  }

  std::vector<Rows> rows_;
  Tensor counts_;
};

// The state after a step that counts for some rows: for the others it is the one before.
std::vector<Tensor> keep(const Tensor& counts, std::vector<Tensor> next, const std::vector<Tensor>& before) {
  if (next.size() == 2 && next[0].shape() == next[1].shape()) {
    auto [h, c] = fused(
        [](auto row, auto h1, auto c1, auto h0, auto c0) {
          return std::tuple{where(row > 0, h1, h0), where(row > 0, c1, c0)};
        },
        counts, next[0], next[1], before[0], before[1]);
    return {h, c};
  }
  for (std::size_t k = 0; k < next.size(); ++k) next[k] = where(counts, next[k], before[k]);
  return next;
}

// Collects what a cell names at one time step after the other.
class Recorder final : public rill::detail::Observer {
 public:
  Recorder(CellTrace& trace, std::vector<std::string> state_names, std::size_t steps)
      : trace_(trace), states_(state_names.size()), steps_(steps) {
    for (const std::string& name : state_names) trace_.values[name].resize(steps);
    trace_.names = std::move(state_names);
  }

  void begin(std::size_t step) { step_ = step; }
  void see(const char* name, const Tensor& value) override {
    const auto end_of_states = trace_.names.begin() + static_cast<std::ptrdiff_t>(states_);
    if (std::find(trace_.names.begin(), end_of_states, name) != end_of_states)
      throw ValueError(fmt::format("trace: a value has the name '{}', which a part of the state has", name));
    const auto [place, added] = trace_.values.try_emplace(name, steps_);
    if (added) trace_.names.emplace_back(name);
    Tensor& at = place->second[step_];
    if (at.defined())
      throw ValueError(fmt::format("trace: two values of one time step have the name '{}'", name));
    at = value;
  }

 private:
  CellTrace& trace_;
  std::size_t states_, steps_, step_ = 0;
};

struct Pass {
  std::vector<Tensor> outputs;  // in the order of time, the state's where a step does not count
  std::vector<Tensor> state;
};

/// Tells observers which step is being computed, and that none is, however that ends.
class Announcement {
 public:
  ~Announcement() { step(-1); }
  void cell(std::int64_t steps) const {
    for (RecurrentObserver* observer : to_) observer->begin_cell(steps);
  }
  void step(std::int64_t time) const {
    for (RecurrentObserver* observer : to_) observer->begin_step(time);
  }
  void state(std::int64_t time, std::vector<Tensor>& state) const {
    for (RecurrentObserver* observer : to_) observer->end_step(time, state);
  }
  bool asks_for_separate_steps() const {
    return std::any_of(to_.begin(), to_.end(),
                       [](auto* observer) { return observer->wants_separate_steps(); });
  }

 private:
  const std::vector<RecurrentObserver*>& to_ = RecurrentObserver::all();
};

Tensor input_of(const CellReference& cell, const Tensor& x) {
  Tensor input = cell.input(x);
  if (input.rank() < 3 || input.size(0) != x.size(0) || input.size(1) != x.size(1))
    throw ShapeError(fmt::format("{}: input() took a sequence of shape {} to {}; expected [{}, {}, ...]",
                                 cell.kind, to_string(x.shape()), to_string(input.shape()), x.size(0),
                                 x.size(1)));
  return input;
}

std::vector<Tensor> project(const CellReference& cell, const Tensor& x, const Announcement& announcement) {
  if (!announcement.asks_for_separate_steps()) return unbind(input_of(cell, x), 0);
  std::vector<Tensor> inputs;
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    announcement.step(t);
    inputs.push_back(squeeze(input_of(cell, slice(x, 0, {t, t + 1})), 0));
  }
  return inputs;
}

// A step may change nothing of a state but its values.
void check_step(const std::string& kind, const std::vector<Tensor>& next, const std::vector<Tensor>& before) {
  for (std::size_t k = 0; k < before.size(); ++k) {
    if (!(next[k].shape() == before[k].shape()))
      throw ShapeError(fmt::format("{}: a step took part {} of the state from shape {} to {}; expected {}",
                                   kind, k, to_string(before[k].shape()), to_string(next[k].shape()),
                                   to_string(before[k].shape())));
    if (next[k].dtype() != before[k].dtype())
      throw DTypeError(fmt::format("{}: a step took part {} of the state from {} to {}; expected {}", kind, k,
                                   name(before[k].dtype()), name(next[k].dtype()), name(before[k].dtype())));
  }
}

Pass run_direction(const CellReference& cell, const Tensor& x, std::vector<Tensor> state, bool backwards,
                   const Steps& counting, double recurrent_dropout, CellTrace* trace, Place place) {
  const AtPlace whole_sequence(place);
  const Announcement announcement;
  announcement.cell(x.size(0));
  std::vector<Tensor> inputs = project(cell, x, announcement);
  const auto steps = static_cast<std::int64_t>(inputs.size());
  Tensor mask;
  if (recurrent_dropout > 0 && is_training())
    mask = dropout_mask(state[0].shape(), recurrent_dropout, state[0].dtype());
  Pass pass;
  pass.outputs.resize(inputs.size());
  // Outputs that lie one after the other are stacked without a copy, and read so by the weights' gradients.
  // Without a tape a kept state would keep the whole sequence alive for nothing.
  Tensor outputs;
  if (is_recording() && steps > 1) {
    Shape shape = state[0].shape();
    shape.insert(0, steps);
    outputs = Tensor::empty(shape, state[0].dtype());
  }
  std::optional<Recorder> recorder;
  std::vector<std::string> state_names = cell.state_names;
  if (trace) {
    for (std::size_t k = state_names.size(); k < state.size(); ++k)
      state_names.push_back(k == 0 ? "hidden" : "state" + std::to_string(k));
    recorder.emplace(*trace, state_names, inputs.size());
  }
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t t = backwards ? steps - 1 - i : i;
    announcement.step(t);
    place.time_step = t;
    const AtPlace step(place);
    if (counting.rows(t) != Steps::Rows::none) {
      const Tensor h = mask.defined() ? dropout(state[0], mask) : state[0];
      std::optional<rill::detail::Observing> observing;
      if (recorder) {
        recorder->begin(static_cast<std::size_t>(t));
        observing.emplace(*recorder);
      }
      const bool keeps = counting.rows(t) == Steps::Rows::some;
      Tensor own = outputs.defined() ? select(outputs, 0, t) : Tensor();
      std::vector<Tensor> next;
      {
        const simd::OutputPlace output(keeps ? Tensor() : std::move(own));
        next = cell.step(std::move(inputs[static_cast<std::size_t>(t)]), state, h);
      }
      check_step(cell.kind, next, state);
      if (keeps) {
        const simd::OutputPlace output(std::move(own));
        next = keep(select(counting.counts(), 0, t), std::move(next), state);
      }
      state = std::move(next);
    }
    announcement.state(t, state);
    pass.outputs[static_cast<std::size_t>(t)] = state[0];
    if (trace)
      for (std::size_t k = 0; k < state.size(); ++k)
        trace->values.at(state_names[k])[static_cast<std::size_t>(t)] = state[k];
  }
  pass.state = std::move(state);
  return pass;
}

void check_state(const std::vector<Tensor>& given, const std::vector<Tensor>& expected, std::size_t place) {
  for (std::size_t k = 0; k < expected.size(); ++k) {
    if (!given[k].defined())
      throw ValueError(fmt::format("Recurrent: part {} of initial state {} holds no value", k, place));
    if (!(given[k].shape() == expected[k].shape()))
      throw ShapeError(fmt::format("Recurrent: part {} of initial state {} has shape {}; expected {}", k,
                                   place, to_string(given[k].shape()), to_string(expected[k].shape())));
    if (given[k].dtype() != expected[k].dtype())
      throw DTypeError(fmt::format("Recurrent: part {} of initial state {} is {}; expected {}", k, place,
                                   name(given[k].dtype()), name(expected[k].dtype())));
  }
}

// The first state that a cell makes.
std::vector<Tensor> first_state(const CellReference& cell, std::int64_t batch, DType dtype) {
  std::vector<Tensor> state = cell.initial(batch, dtype);
  for (std::size_t k = 0; k < state.size(); ++k) {
    const Tensor& part = state[k];
    if (part.rank() == 0 || part.size(0) != batch)
      throw ShapeError(fmt::format("{}: part {} of initial_state() has shape {}; expected [{}, ...]",
                                   cell.kind, k, to_string(part.shape()), batch));
    if (part.dtype() != dtype)
      throw DTypeError(fmt::format("{}: part {} of initial_state() is {}; expected {}", cell.kind, k,
                                   name(part.dtype()), name(dtype)));
  }
  return state;
}

// Layers count from 1.
Place number(Place place, std::size_t layer, std::size_t layers, bool backwards) {
  if (layers > 1) place.layer += fmt::format(", layer {} of {}", layer, layers);
  if (backwards) place.layer += ", backwards";
  return place;
}

}  // namespace

Place place_of(const std::string& kind, const Fields& fields) {
  const auto all = parameters(fields);
  if (all.empty()) return {.layer = kind};
  return {.layer = kind, .first = all.front().parameter->id(), .last = all.back().parameter->id()};
}

void check(const RecurrentOptions& options) {
  if (options.layers < 1)
    throw ValueError(fmt::format("Recurrent: {} layers; expected at least 1", options.layers));
  for (double rate : {options.dropout, options.recurrent_dropout})
    if (!(rate >= 0 && rate < 1))
      throw ValueError(fmt::format("Recurrent: a dropout rate of {}; expected one in [0, 1)", rate));
}

Tensor zero_state(std::int64_t batch, std::int64_t hidden, DType dtype) {
  return expand(zeros({}, dtype), {batch, hidden});
}

UntypedResult run_recurrent(const std::vector<CellReference>& cells, const RecurrentOptions& options,
                            const Tensor& x, const std::vector<std::vector<Tensor>>& initial,
                            const Tensor& lengths, const Tensor& mask, std::vector<CellTrace>* traces) {
  rill::detail::require_values("Recurrent", x);
  if (x.rank() != 3)
    throw ShapeError(fmt::format("Recurrent: an input of shape {}; expected [batch, time, features]",
                                 to_string(x.shape())));
  const std::int64_t batch = x.size(0), time = x.size(1);
  if (time == 0)
    throw ShapeError(fmt::format("Recurrent: the input of shape {} has no time steps", to_string(x.shape())));
  if (!initial.empty() && initial.size() != cells.size())
    throw ShapeError(fmt::format("Recurrent: {} initial states for {} cells", initial.size(), cells.size()));
  const Steps counting(lengths, mask, batch, time, x.dtype());
  const std::size_t directions = options.bidirectional ? 2 : 1;

  if (traces) traces->resize(cells.size());
  const auto without_padding = [&](const Tensor& steps) {
    return counting.all() ? steps : where(counting.counts(), steps, 0);
  };
  // Time-major inside, so that a step's rows lie together. What stands at a step that does not count would
  // reach the parameters' gradients, as 0 times NaN is NaN.
  Tensor sequence = counting.all() ? permute(x, {1, 0, 2})
                                   : permute(where(permute(counting.counts(), {1, 0, 2}), x, 0), {1, 0, 2});
  UntypedResult result;
  for (std::size_t first = 0; first < cells.size(); first += directions) {
    if (first > 0) sequence = dropout(sequence, options.dropout);
    std::vector<Tensor> outputs, last;
    for (std::size_t d = 0; d < directions; ++d) {
      const CellReference& cell = cells[first + d];
      std::vector<Tensor> state = first_state(cell, batch, x.dtype());
      if (!initial.empty()) {
        check_state(initial[first + d], state, first + d);
        state = initial[first + d];
      }
      Pass pass =
          run_direction(cell, sequence, std::move(state), d == 1, counting, options.recurrent_dropout,
                        traces ? &(*traces)[first + d] : nullptr,
                        number(cell.place, first / directions + 1, cells.size() / directions, d == 1));
      outputs.push_back(stack(pass.outputs, 0));
      last.push_back(pass.state[0]);
      result.state.push_back(std::move(pass.state));
    }
    sequence = without_padding(directions == 1 ? outputs[0] : concat(outputs, -1));
    result.last = directions == 1 ? last[0] : concat(last, -1);
  }
  result.outputs = permute(sequence, {1, 0, 2});
  return result;
}

}  // namespace detail
}  // namespace rill::nn
