#include <algorithm>
#include <memory>
#include <optional>

#include "fmt/format.h"
#include "rill/autograd/check_finite.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/recording.h"
#include "rill/tensor/error.h"
#include "rill/tensor/kernels/copy.h"
#include "rill/tensor/kernels/elementwise.h"
#include "rill/tensor/kernels/layout.h"
#include "rill/tensor/kernels/matmul.h"
#include "rill/tensor/kernels/reduce.h"
#include "rill/tensor/kernels/views.h"
#include "rill/tensor/precision.h"

namespace rill::detail {
namespace {

// Products that wait to be gathered hold on to their operands; beyond this many bytes of right operands all
// are summed.
constexpr std::int64_t largest_gathering = std::int64_t{64} << 20;
// A gradient of a broadcast value that has at most so many elements is summed with the next before both are
// summed to the value's shape: a bias or a mask that every time step sees is reduced once.
constexpr std::int64_t largest_broadcast = std::int64_t{1} << 18;

/// The parts of one axis of a cotangent that have been written so far; the rest of its memory is
/// uninitialised.
class Coverage {
 public:
  explicit Coverage(int axis) : axis_(axis) {}
  int axis() const { return axis_; }
  bool empty() const { return parts_.empty(); }
  bool contains(std::int64_t begin, std::int64_t end) const {
    const auto i = first_ending_after(begin);
    return i != parts_.end() && i->begin <= begin && end <= i->end;
  }
  bool meets(std::int64_t begin, std::int64_t end) const {
    const auto i = first_ending_after(begin);
    return i != parts_.end() && i->begin < end;
  }
  /// [begin, end) must not meet what is there.
  void add(std::int64_t begin, std::int64_t end) {
    auto next = std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.begin >= end; });
    const bool joins_next = next != parts_.end() && next->begin == end;
    const bool joins_previous = next != parts_.begin() && (next - 1)->end == begin;
    if (joins_next && joins_previous) {
      (next - 1)->end = next->end;
      parts_.erase(next);
    } else if (joins_next) {
      next->begin = begin;
    } else if (joins_previous) {
      (next - 1)->end = end;
    } else {
      parts_.insert(next, {begin, end});
    }
  }
  /// Calls f(begin, end) for each gap in [0, size).
  template <class F>
  void for_each_gap(std::int64_t size, F f) const {
    std::int64_t at = 0;
    for (const Part& p : parts_) {
      if (at < p.begin) f(at, p.begin);
      at = p.end;
    }
    if (at < size) f(at, size);
  }

 private:
  struct Part {
    std::int64_t begin, end;
  };
  std::vector<Part>::const_iterator first_ending_after(std::int64_t begin) const {
    return std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.end > begin; });
  }
  int axis_;
  std::vector<Part> parts_;  // rising, never touching
};

/// What has been gathered of the gradient with respect to one value.
struct Cotangent {
  struct Pending {
    std::optional<Coverage> coverage;  // without it, all of `value` is written
    std::vector<std::uint32_t> lent;  // values whose cotangents are being written to their windows of `value`
    std::vector<std::pair<Tensor, Tensor>> products;
    Tensor broadcast;  // what is to be summed to the value's shape
  };
  Tensor value;
  bool borrowed = false;     // its memory is to be a window of another cotangent's
  bool over_values = false;  // its memory is that of values, of which it may write but what is offered to it
  std::unique_ptr<Pending> pending;

  Pending& wait() {
    if (!pending) pending = std::make_unique<Pending>();
    return *pending;
  }
  bool empty() const { return !value.defined() && !pending; }
};

Tensor gather_products(const std::vector<std::pair<Tensor, Tensor>>& products, bool recorded,
                       kernels::RoundedRight& rounded) {
  if (!recorded) return kernels::sum_of_products(products, &rounded);
  if (products.size() == 1) return matmul(transpose(products[0].first, 0, 1), products[0].second);
  std::vector<Tensor> left, right;
  for (const auto& [l, r] : products) {
    left.push_back(l);
    right.push_back(r);
  }
  return matmul(transpose(concat(left, 0), 0, 1), concat(right, 0));
}

class Sweep final : public Backward {
 public:
  Sweep(Recording& recording, std::size_t first_op, bool recorded, bool is_last)
      : recording_(recording), first_op_(first_op), recorded_(recorded), is_last_(is_last) {
    first_value_ = first_op < recording.ops.size() ? recording.ops[first_op].first_output
                                                   : static_cast<std::uint32_t>(recording.values.size());
    cotangents_.resize(recording.values.size() - first_value_);
    needed_.resize(cotangents_.size());
  }

  void mark_source(std::uint32_t place) { need(place) = source; }

  /// An operation is needed when a source is among its inputs, or among those of a needed operation before
  /// it. The products of a weight are complete where the sweep comes to its first use.
  void mark_needed() {
    for (std::size_t o = first_op_; o < recording_.ops.size(); ++o) {
      const auto& op = recording_.ops[o];
      const auto* edges = recording_.edges.data() + op.first_edge;
      const bool any =
          std::any_of(edges, edges + op.edges, [&](const Recording::Edge& e) { return needs(e.value); });
      if (!any) continue;
      if (!op.joint)
        for (std::uint32_t e = 0; e < op.edges; ++e)
          if (edges[e].rule->table->product && needs(edges[e].value))
            first_use_.try_emplace(edges[e].value, o);
      for (std::uint32_t j = 0; j < op.outputs; ++j) {
        auto& mark = need(op.first_output + j);
        if (mark == none) mark = passed;
      }
    }
    end_op_ = recording_.ops.size();
  }

  void accumulate(std::uint32_t place, Tensor g, const char* op) {
    if (!g.defined() || !needs(place)) return;
    if (checking && op_) [[unlikely]]
      check(g, op);
    const auto& info = recording_.values[place];
    if (g.dtype() != info.dtype) {
      if (!TensorAccess::body(g).weak)
        throw DTypeError(fmt::format("{}: its rule gave a gradient of {} for an input of {}", op,
                                     name(g.dtype()), name(info.dtype)));
      g = kernels::cast(g, info.dtype);
    }
    Cotangent& c = at(place);
    if (!(g.shape() == info.shape)) {
      if (recorded_)
        g = sum_to(g, Shape(info.shape));
      else if (g.count() > largest_broadcast || !is_broadcast(info.shape, g.shape()))
        g = reduce(g, info.shape, op);
      else
        return wait_with(c.wait(), std::move(g), info.shape, op);
    }
    if (c.pending && c.pending->coverage) close_gaps(place);
    if (TensorAccess::is_exposed(g)) g = Tensor(g);
    if (!c.value.defined())
      c.value = std::move(g);
    else if (recorded_)
      c.value = c.value + g;
    else
      kernels::accumulate(c.value, g);
  }

  void run() {
    for (std::size_t o = end_op_; o-- > first_op_;) {
      const Recording::Op op = recording_.ops[o];
      bool any = false;
      for (std::uint32_t j = 0; j < op.outputs && !any; ++j)
        any = needs(op.first_output + j) && !at(op.first_output + j).empty();
      if (any) apply(op, o);
      if (is_last_) recording_.drop_rules(o);
    }
    if (postponed_ != Recording::no_value) sum_products(postponed_, "matmul");
    rounded_.clear();
  }

  Tensor result(std::uint32_t place) {
    settle(place);
    return at(place).value;
  }

  // What a joint rule sees.
  const Tensor& cotangent(std::size_t output) const override {
    return cotangents_[op_->first_output + output - first_value_].value;
  }
  bool wants(std::size_t input) const override {
    const std::uint32_t place = edge(input).value;
    return needs(place);
  }
  void give(std::size_t input, Tensor gradient) override {
    if (wants(input)) accumulate(edge(input).value, std::move(gradient), op_->name);
  }
  bool recorded() const override { return recorded_; }
  Tensor destination(std::size_t input, const Tensor& over) override {
    if (recorded_ || checking || !wants(input)) return {};
    const std::uint32_t place = edge(input).value;
    const Tensor* offer = is_last_ && TensorAccess::owns_elements(over) ? &over : nullptr;
    auto found = find_window(place, true, offer);
    if (found && at(found->parent).over_values) {
      if (offer && is_same_memory(found->memory, over)) {
        TensorAccess::body(over).storage->drop_derived();
      } else {
        move_elsewhere(at(found->parent));
        found = find_window(place, true);
      }
    }
    if (!found) return {};
    at(found->parent).pending->coverage->add(found->begin, found->end);
    return found->memory;
  }

 private:
  void check(const Tensor& g, const char* op) const {
    const std::string what = non_finite_elements(g);
    if (what.empty()) return;
    std::vector<CheckedInput> entered;
    for (std::uint32_t j = 0; j < op_->outputs; ++j)
      if (const Tensor& cotangent = cotangents_[op_->first_output + j - first_value_].value;
          cotangent.defined())
        entered.push_back({cotangent, "the gradient of its result"});
    throw_non_finite(op, true, recording_.places[op_->place], recording_.checking.names, what, entered);
  }

  enum Need : std::uint8_t { none, passed, source };

  const Recording::Edge& edge(std::size_t input) const { return recording_.edges[op_->first_edge + input]; }

  // Sources may lie before this tape's first operation; those few stand in a map.
  Cotangent& at(std::uint32_t place) {
    return place >= first_value_ ? cotangents_[place - first_value_] : earlier_[place].first;
  }
  Need& need(std::uint32_t place) {
    return place >= first_value_ ? needed_[place - first_value_] : earlier_[place].second;
  }
  bool needs(std::uint32_t place) const {
    if (place == Recording::no_value) return false;
    if (place >= first_value_) return needed_[place - first_value_] != none;
    return earlier_.contains(place);
  }

  /// Where in the cotangent of `parent` that of a value belongs, which is a slice of it.
  struct Place {
    std::uint32_t parent;
    std::int64_t begin, end;
    Tensor memory;
  };

  static std::int64_t end_of(const Window& window, const Shape& slice) {
    return window.start + (window.drops_axis ? 1 : slice[window.axis]);
  }

  static Tensor window_of(const Tensor& value, const Window& window, std::int64_t end) {
    const Tensor part = kernels::window(value, window.axis, window.start, end - window.start);
    return window.drops_axis ? kernels::squeeze(part, window.axis) : part;
  }

  /// That place, where nothing is written yet. Memory for the parent is borrowed only where that is the last
  /// link: chains of slices of sums may be as long as a sequence. What is offered is the value itself, in
  /// whose memory the parent's may be taken.
  std::optional<Place> find_window(std::uint32_t place, bool may_borrow, const Tensor* offer = nullptr) {
    const auto& info = recording_.values[place];
    if (info.op < static_cast<std::int64_t>(first_op_) || need(place) == source || !at(place).empty())
      return {};
    const auto& op = recording_.ops[static_cast<std::size_t>(info.op)];
    if (op.joint || op.edges != 1) return {};
    const Recording::Edge& parent = recording_.edges[op.first_edge];
    if (!parent.rule->table->window || !needs(parent.value)) return {};
    const Window& window = parent.rule->table->window(*parent.rule);
    if (window.step != 1) return {};
    const std::int64_t end = end_of(window, info.shape);
    open_gaps(parent.value, window.axis, may_borrow, offer);
    const Cotangent& c = at(parent.value);
    if (!c.pending || !c.pending->coverage || c.pending->coverage->axis() != window.axis ||
        c.pending->coverage->meets(window.start, end))
      return {};
    take_back(parent.value, window.start, end);
    return Place{parent.value, window.start, end, window_of(at(parent.value).value, window, end)};
  }

  /// Memory for the cotangent of a value that was made by adding to a slice: the slice's own, if it is free.
  Tensor borrow(std::uint32_t place, const Tensor* offer) {
    const auto& info = recording_.values[place];
    if (info.op < static_cast<std::int64_t>(first_op_)) return {};
    const auto& op = recording_.ops[static_cast<std::size_t>(info.op)];
    for (std::uint32_t e = op.first_edge; e < op.first_edge + op.edges; ++e) {
      const Recording::Edge& edge = recording_.edges[e];
      if (!edge.rule || !edge.rule->table->identity || !needs(edge.value)) continue;
      const auto& input = recording_.values[edge.value];
      if (!(input.shape == info.shape) || input.dtype != info.dtype) continue;
      if (auto found = find_window(edge.value, false, offer)) {
        at(edge.value).borrowed = true;
        at(place).over_values = at(found->parent).over_values;
        at(found->parent).pending->lent.push_back(edge.value);
        return found->memory;
      }
    }
    return {};
  }

  /// Ends the loans of a cotangent's memory that meet [begin, end): the borrowers keep the memory, and the
  /// cotangent gets other.
  void take_back(std::uint32_t place, std::int64_t begin, std::int64_t end) {
    Cotangent& c = at(place);
    if (!c.pending || c.pending->lent.empty()) return;
    const bool meets = std::any_of(c.pending->lent.begin(), c.pending->lent.end(), [&](std::uint32_t lent) {
      const auto& info = recording_.values[lent];
      const auto& op = recording_.ops[static_cast<std::size_t>(info.op)];
      const RuleBase& rule = *recording_.edges[op.first_edge].rule;
      const Window& window = rule.table->window(rule);
      return window.start < end && begin < end_of(window, info.shape);
    });
    if (meets) move_elsewhere(c);
  }

  void move_elsewhere(Cotangent& c) {
    for (const std::uint32_t lent : c.pending->lent) at(lent).borrowed = false;
    c.pending->lent.clear();
    const bool written = !c.pending->coverage || !c.pending->coverage->empty();
    c.value = written ? kernels::copy(c.value) : kernels::empty_matrix(c.value.shape(), c.value.dtype());
    c.over_values = false;
  }

  static bool is_same_memory(const Tensor& a, const Tensor& b) {
    return TensorAccess::body(a).storage == TensorAccess::body(b).storage &&
           TensorAccess::body(a).offset == TensorAccess::body(b).offset && a.strides() == b.strides();
  }

  /// The memory of a value of which `part` is taken for a window, or of all of it; found by its layout, so
  /// that whoever writes to a part has to see whether that is the memory meant. Products read rows that
  /// compete in the cache slowly, unless they round them.
  static Tensor memory_around(const Tensor& part, const Recording::Value& whole) {
    const int axes = whole.shape.size();
    if (part.rank() < 2 || axes < 2 || part.dtype() != whole.dtype) return {};
    Dims strides(axes, 1);
    strides[axes - 2] = part.strides()[part.rank() - 2];
    for (int axis = axes - 3; axis >= 0; --axis) strides[axis] = whole.shape[axis + 1] * strides[axis + 1];
    const auto size = static_cast<std::int64_t>(size_of(whole.dtype));
    Storage* const storage = TensorAccess::body(part).storage;
    if (strides[0] * whole.shape[0] * size > static_cast<std::int64_t>(storage->size()) ||
        strides[axes - 2] < whole.shape.back() ||
        (kernels::share_cache_sets(strides[axes - 2] * size) && matmul_precision() != Precision::bfloat16))
      return {};
    storage->retain();
    return TensorAccess::make(storage, 0, whole.shape, strides, whole.dtype);
  }

  /// Whether what a loan was for has come about: g lies where it belongs.
  bool is_returned(std::uint32_t lent, std::uint32_t place, const Tensor& g, const Window& window,
                   std::int64_t end) {
    if (!std::exchange(at(lent).borrowed, false)) return false;
    Cotangent& c = at(place);
    const Tensor own = window_of(c.value, window, end);
    if (!is_same_memory(g, own)) {
      at(lent).borrowed = true;
      take_back(place, window.start, end);
      return false;
    }
    std::erase(c.pending->lent, lent);
    c.pending->coverage->add(window.start, end);
    return true;
  }

  void apply(const Recording::Op& op, std::size_t index) {
    for (std::uint32_t j = 0; j < op.outputs; ++j) settle(op.first_output + j);
    op_ = &op;
    op_index_ = index;
    if (op.joint)
      apply_joint_rule(op);
    else
      apply_rules(op);
    for (std::uint32_t j = 0; j < op.outputs; ++j)
      if (need(op.first_output + j) != source) at(op.first_output + j) = {};
    op_ = nullptr;
  }

  void apply_rules(const Recording::Op& op) {
    // From here on nobody reads it but who asked for it and who shows what is not finite.
    Tensor& cotangent = at(op.first_output).value;
    const Tensor g = need(op.first_output) == source || checking ? cotangent : std::move(cotangent);
    for (std::uint32_t e = 0; e < op.edges; ++e) {
      const Recording::Edge edge = recording_.edges[op.first_edge + e];
      if (!needs(edge.value)) continue;
      RuleBase& rule = *edge.rule;
      const RuleTable& table = *rule.table;
      if (table.gradient)
        accumulate(edge.value, table.gradient(rule, g, op.output), op.name);
      else if (table.window)
        write_window(edge.value, table.window(rule), op.first_output, g, op.name);
      else if (table.identity)
        accumulate(edge.value, g, op.name);
      else if (table.product)
        gather(edge.value, table.product(rule, g), op.name);
      else
        multiply(edge.value, table.factors(rule, g), op.name);
    }
  }

  void apply_joint_rule(const Recording::Op& op) {
    op.joint->table->joint(*op.joint, *this);
    for (std::uint32_t e = op.first_edge; e < op.first_edge + op.edges; ++e)
      if (recording_.edges[e].rule) accumulate(recording_.edges[e].value, at(op.first_output).value, op.name);
  }

  void multiply(std::uint32_t place, const Factors& factors, const char* op) {
    Cotangent& c = at(place);
    const bool adds = c.value.defined() && !(c.pending && c.pending->coverage) && !recorded_ && !checking &&
                      factors.left.rank() == 2 && factors.right.rank() == 2;
    if (adds)
      c.value = kernels::matmul_add(factors.left, factors.right, c.value);
    else
      accumulate(place, matmul(factors.left, factors.right), op);
  }

  void gather(std::uint32_t place, Product product, const char* op) {
    if (!product.left.defined() || !product.right.defined()) return;
    auto& products = at(place).wait().products;
    if (products.empty()) waiting_.push_back(place);
    products.emplace_back(std::move(product.left), std::move(product.right));
    waiting_bytes_ += bytes_of(products.back().second);
    if (checking)
      sum_products(place, op);
    else if (first_use_.at(place) == op_index_)
      complete(place, op);
    else if (waiting_bytes_ > largest_gathering)
      for (const std::uint32_t waiting : std::exchange(waiting_, {})) sum_products(waiting, op);
  }

  /// All products of a value have been met: sums them while the operands are in the cache, and so that their
  /// memory serves what comes. Those of many steps wait for the next value's, whose one product is often of
  /// the same gradients and one step longer: the projection of the whole sequence.
  void complete(std::uint32_t place, const char* op) {
    const std::uint32_t before = std::exchange(postponed_, Recording::no_value);
    const bool postpones = at(place).pending->products.size() > 1;
    if (!postpones) sum_products(place, op);
    if (before != Recording::no_value) sum_products(before, op);
    rounded_.clear();
    if (postpones) postponed_ = place;
  }

  void sum_products(std::uint32_t place, const char* op) {
    auto& pending = at(place).pending;
    if (!pending || pending->products.empty()) return;
    const auto products = std::exchange(pending->products, {});
    for (const auto& product : products) waiting_bytes_ -= bytes_of(product.second);
    accumulate(place, gather_products(products, recorded_, rounded_), op);
  }

  static std::int64_t bytes_of(const Tensor& x) {
    return x.count() * static_cast<std::int64_t>(size_of(x.dtype()));
  }

  void write_window(std::uint32_t place, const Window& window, std::uint32_t slice, const Tensor& cotangent,
                    const char* op) {
    const Shape shape = recording_.values[place].shape;
    if (recorded_) {
      const Tensor part = window.drops_axis ? unsqueeze(cotangent, window.axis) : cotangent;
      return accumulate(place, unslice(part, shape, window.axis, window.start, window.step), op);
    }
    const std::int64_t end = end_of(window, cotangent.shape());
    if (is_returned(slice, place, cotangent, window, end)) return;
    const Tensor g = window.drops_axis ? kernels::unsqueeze(cotangent, window.axis) : cotangent;
    Cotangent& c = at(place);
    const std::int64_t length = g.shape()[window.axis];
    if (window.step == 1) take_back(place, window.start, end);
    open_gaps(place, window.axis);
    if (c.over_values) move_elsewhere(c);
    Coverage* coverage = c.pending && c.pending->coverage ? &*c.pending->coverage : nullptr;
    if (coverage && window.step == 1 && coverage->axis() == window.axis &&
        !coverage->meets(window.start, end)) {
      coverage->add(window.start, end);
      kernels::copy_into(g, kernels::window(c.value, window.axis, window.start, length));
      return;
    }
    if (coverage &&
        !(window.step == 1 && coverage->axis() == window.axis && coverage->contains(window.start, end)))
      close_gaps(place);
    // A rule may still hold a view of what is about to change.
    if (!TensorAccess::sole_owner(c.value) || kernels::has_repeats(c.value)) c.value = kernels::copy(c.value);
    kernels::add_into(g, kernels::window(c.value, window.axis, window.start, length, window.step));
  }

  /// Gives an empty cotangent memory of which nothing is written yet.
  void open_gaps(std::uint32_t place, int axis, bool may_borrow = true, const Tensor* offer = nullptr) {
    Cotangent& c = at(place);
    if (c.value.defined()) return;
    const auto& info = recording_.values[place];
    if (may_borrow) c.value = borrow(place, offer);
    if (!c.value.defined() && offer && need(place) != source) {
      c.value = memory_around(*offer, info);
      c.over_values = c.value.defined();
    }
    if (!c.value.defined())
      c.value = need(place) == source ? Tensor::empty(info.shape, info.dtype)
                                      : kernels::empty_matrix(info.shape, info.dtype);
    c.wait().coverage.emplace(axis);
  }

  void close_gaps(std::uint32_t place) {
    Cotangent& c = at(place);
    take_back(place, 0, c.value.shape()[c.pending->coverage->axis()]);
    const Coverage coverage = *c.pending->coverage;
    c.pending->coverage.reset();
    coverage.for_each_gap(c.value.shape()[coverage.axis()], [&](std::int64_t begin, std::int64_t end) {
      if (c.over_values) move_elsewhere(c);
      kernels::fill(kernels::window(c.value, coverage.axis(), begin, end - begin), 0);
    });
    c.over_values = false;
  }

  void settle(std::uint32_t place) {
    Cotangent& c = at(place);
    if (!c.pending) return;
    if (c.pending->coverage) close_gaps(place);
    sum_products(place, "matmul");
    if (c.pending->broadcast.defined()) {
      const Shape shape = recording_.values[place].shape;
      accumulate(place, reduce(std::exchange(c.pending->broadcast, {}), shape, "sum_to"), "sum_to");
    }
    at(place).pending.reset();
  }

  static bool is_broadcast(const Shape& from, const Shape& to) {
    const int added = to.size() - from.size();
    bool fits = added >= 0;
    for (int i = 0; fits && i < from.size(); ++i) fits = from[i] == to[added + i] || from[i] == 1;
    return fits;
  }

  static void wait_with(Cotangent::Pending& pending, Tensor g, const Shape& shape, const char* op) {
    Tensor& sum = pending.broadcast;
    if (sum.defined() && sum.shape() == g.shape())
      kernels::accumulate(sum, g);
    else if (sum.defined())
      sum = kernels::add(reduce(sum, shape, op), reduce(g, shape, op));
    else
      sum = std::move(g);
  }

  static Tensor reduce(const Tensor& g, const Shape& shape, const char* op) {
    try {
      return kernels::sum_to(g, shape);
    } catch (const ShapeError&) {
      throw ShapeError(fmt::format("{}: its rule gave a gradient of shape {} for an input of shape {}", op,
                                   to_string(g.shape()), to_string(shape)));
    }
  }

  Recording& recording_;
  std::size_t first_op_;
  std::size_t end_op_ = 0;
  bool recorded_, is_last_;
  std::uint32_t first_value_;
  std::vector<Cotangent> cotangents_;
  std::vector<Need> needed_;
  std::unordered_map<std::uint32_t, std::pair<Cotangent, Need>> earlier_;
  std::unordered_map<std::uint32_t, std::size_t> first_use_;  // of a value whose gradient is products
  const Recording::Op* op_ = nullptr;
  std::size_t op_index_ = 0;
  std::uint32_t postponed_ = Recording::no_value;
  kernels::RoundedRight rounded_;
  std::vector<std::uint32_t> waiting_;  // values whose gradients' products wait to be gathered
  std::int64_t waiting_bytes_ = 0;
};

Tensor seed_of(const Target& target) {
  const Tensor& value = target.value;
  if (!value.defined()) throw ValueError("tape.gradient: the target holds no value");
  if (!is_floating(value.dtype()))
    throw DTypeError(fmt::format(
        "tape.gradient: the target has dtype {}; only floating values have gradients", name(value.dtype())));
  if (!target.cotangent.defined()) {
    if (value.count() != 1)
      throw ShapeError(
          fmt::format("tape.gradient: the loss has shape {}; take its sum or mean first, or give a cotangent "
                      "of that shape",
                      to_string(value.shape())));
    return kernels::full(value.shape(), 1, value.dtype());
  }
  if (!(target.cotangent.shape() == value.shape()))
    throw ShapeError(fmt::format("tape.gradient: the cotangent has shape {}, the target {}",
                                 to_string(target.cotangent.shape()), to_string(value.shape())));
  if (target.cotangent.dtype() != value.dtype())
    throw DTypeError(fmt::format("tape.gradient: the cotangent has dtype {}, the target {}",
                                 name(target.cotangent.dtype()), name(value.dtype())));
  return target.cotangent;
}

}  // namespace

std::vector<Tensor> sweep(Recording& recording, std::size_t first_op, std::span<const Target> targets,
                          const std::vector<std::uint32_t>& sources, bool is_last) {
  const bool recorded = recording.open >= 2 && recording.paused == 0;
  std::optional<PauseRecording> pause;
  if (!recorded) pause.emplace();
  Sweep sweep(recording, first_op, recorded, is_last);
  for (auto place : sources) sweep.mark_source(place);
  sweep.mark_needed();
  for (const Target& target : targets) {
    Tensor seed = seed_of(target);
    const std::uint32_t place = recording.place(target.value);
    if (place != Recording::no_value) sweep.accumulate(place, std::move(seed), "tape.gradient");
  }
  sweep.run();
  std::vector<Tensor> results;
  for (auto place : sources) results.push_back(sweep.result(place));
  return results;
}

}  // namespace rill::detail
