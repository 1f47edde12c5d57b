#include "rill/autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <iterator>

#include "fmt/format.h"
#include "rill/autograd/check_finite.h"
#include "rill/autograd/named.h"
#include "rill/autograd/recording.h"
#include "rill/tensor/error.h"
#include "rill/tensor/per_thread.h"

namespace rill {

using detail::Recording;
using detail::TensorAccess;

namespace detail {

thread_local constinit Recording* current = nullptr;
thread_local constinit bool checking = false;
thread_local constinit std::optional<bool> training_mode;

const std::shared_ptr<Recording>& shared_recording() {
  auto& recording = PerThread<std::shared_ptr<Recording>>::get();
  if (!recording) recording = std::make_shared<Recording>();
  return recording;
}

Recording* active() {
  return current && current->open.load(std::memory_order_relaxed) > 0 ? current : nullptr;
}

void* Arena::allocate(std::size_t size, std::size_t alignment) {
  constexpr std::size_t block_size = 64 * 1024;
  for (;; ++at_.block, at_.used = 0) {
    if (at_.block == blocks_.size()) {
      const std::size_t bytes = std::max(block_size, size + alignment);
      blocks_.push_back({std::make_unique<std::byte[]>(bytes), bytes});
    }
    Block& block = blocks_[at_.block];
    void* place = block.bytes.get() + at_.used;
    std::size_t space = block.size - at_.used;
    if (std::align(alignment, size, place, space)) {
      at_.used = static_cast<std::size_t>(static_cast<std::byte*>(place) - block.bytes.get()) + size;
      return place;
    }
  }
}

std::uint32_t Recording::place(const Tensor& x) const noexcept {
  if (!x.defined()) return no_value;
  const TapeSlot& slot = TensorAccess::body(x).slot;
  if (slot.tape != id || slot.value >= values.size() || values[slot.value].serial != slot.serial)
    return no_value;
  return slot.value;
}

Tensor Recording::append(Tensor x, std::int64_t op) {
  // A body that others hold already must not change under them, nor the elements under the tape.
  if (!TensorAccess::sole_handle(x) || TensorAccess::body(x).slot.tape != 0 || TensorAccess::is_exposed(x))
    x = TensorAccess::view(x, TensorAccess::body(x).offset, x.shape(), x.strides());
  auto& body = TensorAccess::mutable_body(x);
  body.weak = false;
  body.slot = {id, static_cast<std::uint32_t>(values.size()), next_serial};
  values.push_back({body.shape, body.dtype, next_serial, op});
  ++next_serial;
  return x;
}

std::shared_ptr<OpenTape> Recording::begin_tape() {
  drop_ended_tapes();
  if (tapes.empty()) {
    static std::atomic<std::uint64_t> next{1};
    id = next.fetch_add(1, std::memory_order_relaxed);
    next_serial = 0;
    met_frozen = false;
  }
  tapes.push_back(std::make_shared<OpenTape>(ops.size()));
  innermost_op = ops.size();
  open.fetch_add(1, std::memory_order_relaxed);
  update_current();
  return tapes.back();
}

void Recording::drop_ended_tapes() {
  std::erase_if(tapes, [](const auto& tape) { return tape->ended.load(std::memory_order_acquire); });
  if (checking.by && std::none_of(tapes.begin(), tapes.end(),
                                  [this](const auto& tape) { return tape.get() == checking.by; })) {
    checking = {};
    --reading_tensors;
    detail::checking = false;
  }
  innermost_op = tapes.empty() ? 0 : tapes.back()->first_op;
  if (tapes.empty()) {
    rewind(0, 0, {});
    places.clear();
  }
  update_current();
}

void Recording::update_current() { current = !tapes.empty() && paused == 0 ? this : nullptr; }

void Recording::drop_rules(std::size_t op) noexcept {
  Op& o = ops[op];
  const auto drop = [](RuleBase*& rule) {
    if (rule) rule->table->destroy(*rule);
    rule = nullptr;
  };
  for (std::size_t e = o.first_edge; e < o.first_edge + o.edges; ++e) drop(edges[e].rule);
  drop(o.joint);
  o.output = Tensor();
}

void Recording::rewind(std::size_t op, std::size_t value, Arena::Mark mark) noexcept {
  while (ops.size() > op) {
    drop_rules(ops.size() - 1);
    edges.resize(ops.back().first_edge);
    ops.pop_back();
  }
  values.erase(values.begin() + static_cast<std::ptrdiff_t>(value), values.end());
  while (!parameter_order.empty() && parameters.at(parameter_order.back()).place >= value) {
    parameters.erase(parameter_order.back());
    parameter_order.pop_back();
  }
  arena.rewind(mark);
}

bool is_tracked(const Tensor& x) noexcept {
  return active() && x.defined() && current->place(x) != Recording::no_value;
}

bool is_recorded_by_innermost_tape(const Tensor& x) noexcept {
  return is_tracked(x) &&
         current->values[current->place(x)].op >= static_cast<std::int64_t>(current->innermost_op);
}

Tensor untracked(Tensor x) {
  const auto& body = TensorAccess::body(x);
  return body.slot.tape == 0 ? x : TensorAccess::view(x, body.offset, body.shape, body.strides);
}

void Recording::check_finite(const OpenTape& by, const ParameterNames& names) {
  if (!checking.by) {
    checking.by = &by;
    ++reading_tensors;  // so that an operation within a fused expression is found
  }
  checking.names = names;
  detail::checking = true;
}

std::string Recording::name_of(std::uint32_t value, const ParameterNames& names) const {
  for (const auto& [parameter, leaf] : parameters) {
    const auto found = names.find(parameter);
    if (leaf.place == value && found != names.end()) return found->second;
  }
  return "";
}

void note_input(const Tensor& x) { current->checking.inputs.push_back(x); }

namespace {

void check_output(Recording& r, const Tensor& value) {
  const Recording::Op& op = r.ops.back();
  const std::string what = non_finite_elements(value);
  if (!what.empty()) {
    std::vector<CheckedInput> inputs;
    for (const Tensor& x : r.checking.inputs) inputs.push_back({x, r.name_of(r.place(x), r.checking.names)});
    r.checking.inputs.clear();
    throw_non_finite(op.name, false, r.places[op.place], r.checking.names, what, inputs);
  }
}

}  // namespace

void begin_op(const char* name) {
  auto& r = *current;
  // A scope's object may stand where an earlier one did.
  if (r.places.empty() || r.last_place != current_place ||
      (current_place && !(*current_place == r.places.back()))) {
    r.places.push_back(current_place ? *current_place : Place{});
    r.last_place = current_place;
  }
  if (checking) [[unlikely]]
    r.checking.inputs.clear();
  r.ops.push_back({name,
                   static_cast<std::uint32_t>(r.edges.size()),
                   0,
                   static_cast<std::uint32_t>(r.values.size()),
                   0,
                   static_cast<std::uint32_t>(r.places.size() - 1),
                   nullptr,
                   {}});
}

void add_edge(const Tensor& input, RuleBase* rule) {
  current->edges.push_back({current->place(input), rule});
  ++current->ops.back().edges;
}

void set_joint(RuleBase* rule) { current->ops.back().joint = rule; }

Tensor add_output(Tensor value, bool keep) {
  auto& r = *current;
  if (checking) [[unlikely]]
    check_output(r, value);
  Tensor tracked = r.append(std::move(value), static_cast<std::int64_t>(r.ops.size()) - 1);
  ++r.ops.back().outputs;
  if (keep) r.ops.back().output = tracked;
  return tracked;
}

void* allocate_rule(std::size_t size, std::size_t alignment) {
  return current->arena.allocate(size, alignment);
}

}  // namespace detail

namespace {

void add_places(const Recording& r, const std::vector<Tensor>& sources, std::vector<std::uint32_t>& places) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (!sources[i].defined()) throw ValueError(fmt::format("tape.gradient: source {} holds no value", i));
    places.push_back(r.place(sources[i]));
    if (places.back() == Recording::no_value)
      throw ValueError(
          fmt::format("tape.gradient: source {} was never seen by this tape; watch it, or use what the "
                      "tape's operations returned",
                      i));
  }
}

}  // namespace

Tape::Tape() : recording_(detail::shared_recording()), open_(recording_->begin_tape()) {}

Tape::~Tape() {
  open_->ended.store(true, std::memory_order_release);
  recording_->open.fetch_sub(1, std::memory_order_relaxed);
  if (recording_ == detail::shared_recording()) recording_->drop_ended_tapes();
}

Recording& Tape::recording(const char* function) const {
  if (recording_ != detail::shared_recording())
    throw ValueError(
        fmt::format("{}: this tape was made on another thread, which alone can use it", function));
  if (static_cast<std::size_t>(recording_->open) != recording_->tapes.size()) recording_->drop_ended_tapes();
  return *recording_;
}

Tensor Tape::watch(const Tensor& x) {
  detail::require_values("tape.watch", x);
  auto& r = recording("tape.watch");
  if (!is_floating(x.dtype()))
    throw DTypeError(
        fmt::format("watch: a tensor of {} has no gradient; cast it to a floating dtype", name(x.dtype())));
  // A value of an outer tape stays linked to it, yet apart from its other uses.
  if (detail::is_tracked(x)) return record("watch", x, wrt(x, Identity{}));
  return r.append(detail::untracked(x), -1);
}

void Tape::check_finite(const ParameterNames& names) {
  recording("tape.check_finite").check_finite(*open_, names);
}

std::size_t Tape::size() const { return recording("tape.size").ops.size() - open_->first_op; }

void Tape::check_kept() const {
  if (given_away_)
    throw ValueError(
        "tape.gradient: this tape was given away to an earlier gradient, which freed what it had recorded");
}

Gradients Tape::gradient(const Target& target) const& { return all_gradients(target, {}).parameters; }

Gradients Tape::gradient(const Target& target) && {
  check_kept();
  given_away_ = recording("tape.gradient").open == 1;
  return all_gradients(target, {}, given_away_).parameters;
}

Tensor Tape::gradient(const Target& target, const Tensor& source) const {
  return gradient(std::span(&target, 1), std::vector<Tensor>{source}).front();
}

std::vector<Tensor> Tape::gradient(const Target& target, const std::vector<Tensor>& sources) const {
  return gradient(std::span(&target, 1), sources);
}

std::vector<Tensor> Tape::gradient(std::span<const Target> targets,
                                   const std::vector<Tensor>& sources) const {
  auto& r = recording("tape.gradient");
  check_kept();
  std::vector<std::uint32_t> places;
  add_places(r, sources, places);
  return detail::sweep(r, open_->first_op, targets, places, false);
}

AllGradients Tape::all_gradients(const Target& target, const std::vector<Tensor>& sources) const {
  check_kept();
  return all_gradients(target, sources, false);
}

AllGradients Tape::all_gradients(const Target& target, const std::vector<Tensor>& sources,
                                 bool gives_away) const {
  auto& r = recording("tape.gradient");
  std::vector<std::uint32_t> places;
  for (auto id : r.parameter_order) places.push_back(r.parameters.at(id).place);
  const std::vector<std::uint64_t> ids = r.parameter_order;
  add_places(r, sources, places);
  auto values = detail::sweep(r, open_->first_op, {&target, 1}, places, gives_away);
  AllGradients all;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (values[i].defined()) all.parameters.set(ids[i], std::move(values[i]));
  if (all.parameters.empty())
    throw ValueError(
        ids.empty() && r.met_frozen
            ? "tape.gradient: every parameter that was used since the tape began is frozen; set "
              "`trainable`, or name the sources to differentiate by"
            : "tape.gradient: the target depends on no trainable parameter; was it computed after "
              "this tape began?");
  all.sources.assign(std::make_move_iterator(values.begin() + static_cast<std::ptrdiff_t>(ids.size())),
                     std::make_move_iterator(values.end()));
  return all;
}

PauseRecording::PauseRecording() : recording_(detail::shared_recording()) {
  ++recording_->paused;
  recording_->update_current();
}

PauseRecording::~PauseRecording() {
  --recording_->paused;
  if (recording_ == detail::shared_recording()) recording_->update_current();
}

bool is_recording() { return detail::active() != nullptr; }

}  // namespace rill
