#include "rill/autograd/checkpoint.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "rill/autograd/recording.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/precision.h"
#include "rill/tensor/random.h"

namespace rill {

using detail::Recording;
using detail::TensorAccess;

namespace {

using Function = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

std::vector<Tensor> results_of(const Function& f, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> results = f(inputs);
  for (std::size_t i = 0; i < results.size(); ++i)
    if (!results[i].defined())
      throw ValueError(fmt::format("checkpoint: result {} of the function holds no value", i));
  return results;
}

// Lets the recording take operations in the middle of a sweep that is not itself recorded.
class Recorded {
 public:
  explicit Recorded(Recording& recording) : recording_(recording), paused_(recording.paused.exchange(0)) {
    recording_.update_current();
  }
  ~Recorded() {
    recording_.paused = paused_;
    recording_.update_current();
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

 private:
  Recording& recording_;
  int paused_;
};

// The random numbers of an earlier call, for a while.
class SameNumbers {
 public:
  explicit SameNumbers(Generator::State state) : now_(default_generator().state()) {
    default_generator().set_state(state);
  }
  ~SameNumbers() { default_generator().set_state(now_); }
  SameNumbers(const SameNumbers&) = delete;
  SameNumbers& operator=(const SameNumbers&) = delete;

 private:
  Generator::State now_;
};

// The training mode of an earlier call, for a while.
class SameTrainingMode {
 public:
  explicit SameTrainingMode(std::optional<bool> mode) : now_(std::exchange(detail::training_mode, mode)) {}
  ~SameTrainingMode() { detail::training_mode = now_; }
  SameTrainingMode(const SameTrainingMode&) = delete;
  SameTrainingMode& operator=(const SameTrainingMode&) = delete;

 private:
  std::optional<bool> now_;
};

// What OnParameterUse called in an earlier call, for a while.
class SameParameterUse {
 public:
  explicit SameParameterUse(const OnParameterUse::Function* f)
      : now_(std::exchange(detail::on_parameter_use, f)) {}
  ~SameParameterUse() { detail::on_parameter_use = now_; }
  SameParameterUse(const SameParameterUse&) = delete;
  SameParameterUse& operator=(const SameParameterUse&) = delete;

 private:
  const OnParameterUse::Function* now_;
};

// The precision of products of an earlier call, for a while. All threads see it.
class SamePrecision {
 public:
  explicit SamePrecision(Precision precision) : now_(matmul_precision()) { set_matmul_precision(precision); }
  ~SamePrecision() { set_matmul_precision(now_); }
  SamePrecision(const SamePrecision&) = delete;
  SamePrecision& operator=(const SamePrecision&) = delete;

 private:
  Precision now_;
};

// Notes the values that parameters have in a call, or gives those that were noted.
class WithParameterValues {
 public:
  WithParameterValues(Recording& recording, detail::ParameterValues& values)
      : recording_(recording), now_(std::exchange(recording.parameter_values, &values)) {
    values.outer = now_;
  }
  ~WithParameterValues() { recording_.parameter_values = now_; }
  WithParameterValues(const WithParameterValues&) = delete;
  WithParameterValues& operator=(const WithParameterValues&) = delete;

 private:
  Recording& recording_;
  detail::ParameterValues* now_;
};

struct Mark {
  std::size_t op, value;
  detail::Arena::Mark arena;
  explicit Mark(const Recording& r) : op(r.ops.size()), value(r.values.size()), arena(r.arena.mark()) {}
};

// What a call sees besides its inputs and what it captured.
struct Surroundings {
  Generator::State numbers = default_generator().state();
  std::optional<bool> training = detail::training_mode;
  Precision precision = matmul_precision();
  OnParameterUse::Function on_parameter_use =
      detail::on_parameter_use ? *detail::on_parameter_use : OnParameterUse::Function();
  detail::ParameterValues parameters;
};

// Drops what a call records, however it ends.
class DroppedAfter {
 public:
  explicit DroppedAfter(Recording& recording) : recording_(recording), mark_(recording) {}
  ~DroppedAfter() { recording_.rewind(mark_.op, mark_.value, mark_.arena); }
  DroppedAfter(const DroppedAfter&) = delete;
  DroppedAfter& operator=(const DroppedAfter&) = delete;

 private:
  Recording& recording_;
  Mark mark_;
};

struct Recompute {
  Function f;
  std::vector<Tensor> inputs;
  std::size_t results;
  std::vector<std::uint32_t> sources;  // what f used of the tape, its inputs or not
  Surroundings surroundings;

  void operator()(Backward& b) {
    Recording& recording = detail::this_thread();
    const std::size_t first_op = recording.ops.size();
    std::optional<DroppedAfter> dropped;
    if (!b.recorded()) dropped.emplace(recording);
    std::vector<std::size_t> wanted;
    std::vector<std::uint32_t> places;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (!b.wants(i)) continue;
      wanted.push_back(i);
      places.push_back(sources[i]);
    }
    std::vector<Target> targets;
    {
      const Recorded again(recording);
      const SameNumbers same(surroundings.numbers);
      const SameTrainingMode same_mode(surroundings.training);
      const SamePrecision same_precision(surroundings.precision);
      const auto& on_use = surroundings.on_parameter_use;
      const SameParameterUse same_use(on_use ? &on_use : nullptr);
      surroundings.parameters.first_new_id = Parameter().id();
      const WithParameterValues same_values(recording, surroundings.parameters);
      const std::vector<Tensor> outputs = results_of(f, inputs);
      if (outputs.size() != results)
        throw ValueError(fmt::format(
            "checkpoint: the function gave {} tensors and, when it was called again for the gradient, {}",
            results, outputs.size()));
      for (std::size_t j = 0; j < outputs.size(); ++j)
        if (b.cotangent(j).defined()) targets.emplace_back(outputs[j], b.cotangent(j));
    }
    auto gradients = detail::sweep(recording, first_op, targets, places, !b.recorded());
    for (std::size_t k = 0; k < wanted.size(); ++k) b.give(wanted[k], std::move(gradients[k]));
  }
};

// Whether most of the memory that a tensor keeps is not its own, as with the last state of a sequence.
bool keeps_more(const Tensor& x) {
  const auto own = static_cast<std::size_t>(x.count()) * size_of(x.dtype());
  return 2 * own < TensorAccess::body(x).storage->size();
}

}  // namespace

std::vector<Tensor> checkpoint(Function f, const std::vector<Tensor>& inputs) {
  detail::require_function("checkpoint", f);
  if (!detail::active()) return results_of(f, inputs);
  Recording& recording = *detail::active();
  const Mark mark(recording);
  const std::uint64_t same_recording = recording.id;
  Surroundings surroundings;
  std::vector<Tensor> outputs;
  {
    const WithParameterValues noted(recording, surroundings.parameters);
    outputs = results_of(f, inputs);
  }
  if (recording.id != same_recording) return outputs;  // all tapes have ended meanwhile, on another thread
  std::vector<std::uint32_t> sources;
  for (Tensor& y : outputs) {
    // One that f only passes on enters no operation.
    const std::uint32_t place = recording.place(y);
    if (place != Recording::no_value && place < mark.value) sources.push_back(place);
    y = detail::untracked(y);
    if (place != Recording::no_value && place >= mark.value && keeps_more(y)) y = kernels::copy(y);
  }
  for (std::size_t o = mark.op; o < recording.ops.size(); ++o)
    for (std::uint32_t e = 0; e < recording.ops[o].edges; ++e) {
      const std::uint32_t place = recording.edges[recording.ops[o].first_edge + e].value;
      if (place != Recording::no_value && place < mark.value) sources.push_back(place);
    }
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());

  // Parameters that f was the first to use stay known to the tape.
  std::vector<std::pair<std::uint64_t, Tensor>> parameters;
  for (auto id : recording.parameter_order) {
    const auto& leaf = recording.parameters.at(id);
    if (leaf.place >= mark.value) parameters.emplace_back(id, leaf.value);
  }
  recording.rewind(mark.op, mark.value, mark.arena);
  for (auto& [id, value] : parameters) {
    const Tensor leaf = recording.append(detail::untracked(value), -1);
    sources.push_back(recording.place(leaf));
    recording.parameters.emplace(id, Recording::Leaf{leaf, sources.back()});
    recording.parameter_order.push_back(id);
    surroundings.parameters.replace(id, leaf);
  }
  surroundings.parameters.is_replay = true;
  if (sources.empty()) return outputs;

  detail::begin_op("checkpoint");
  for (auto place : sources) {
    recording.edges.push_back({place, nullptr});
    ++recording.ops.back().edges;
  }
  detail::set_joint(
      detail::make_rule(Recompute{std::move(f), inputs, outputs.size(), sources, std::move(surroundings)}));
  for (Tensor& y : outputs) y = detail::add_output(std::move(y), false);
  return outputs;
}

}  // namespace rill
