#include "rill/flow/driven_cell.h"

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

// Each row of x [batch, ...] `rows` times: [batch * rows, ...].
Tensor repeat_rows(const Tensor& x, std::int64_t rows) {
  Shape wide = x.shape(), flat = x.shape();
  wide.insert(1, rows);
  flat[0] *= rows;
  return reshape(expand(unsqueeze(x, 1), wide), flat);
}

}  // namespace

DrivenCell::DrivenCell(std::string where, const nn::detail::CellReference& cell, const Tensor& x,
                       std::vector<Tensor> initial)
    : where_(std::move(where)), cell_(cell), state_(std::move(initial)) {
  if (x.rank() != 3 || x.size(0) == 0 || x.size(1) == 0)
    throw ShapeError(fmt::format(
        "{}: an input of shape {}; expected [batch, time, features] with at least one example and one step",
        where_, to_string(x.shape())));
  batch_ = x.size(0);
  const std::vector<Tensor> expected = cell.initial(batch_, x.dtype());
  if (state_.empty()) state_ = expected;
  if (state_.size() != expected.size())
    throw ShapeError(
        fmt::format("{}: an initial state of {} parts; expected {}", where_, state_.size(), expected.size()));
  for (std::size_t k = 0; k < state_.size(); ++k) {
    if (!(state_[k].shape() == expected[k].shape()))
      throw ShapeError(fmt::format("{}: part {} of the initial state has shape {}; expected {}", where_, k,
                                   to_string(state_[k].shape()), to_string(expected[k].shape())));
    part_sizes_.push_back(state_[k].count() / batch_);
    state_size_ += part_sizes_.back();
  }
  inputs_ = unbind(cell.input(permute(x, {1, 0, 2})), 0);
}

std::vector<Tensor> DrivenCell::step(std::int64_t rows, const std::vector<Tensor>& state) const {
  std::vector<Tensor> next = cell_.step(repeat_rows(inputs_[time_], rows), state, state[0]);
  for (std::size_t k = 0; k < state.size(); ++k)
    if (!(next[k].shape() == state[k].shape()))
      throw ShapeError(fmt::format("{}: the cell took part {} of its state from shape {} to {}", where_, k,
                                   to_string(state[k].shape()), to_string(next[k].shape())));
  return next;
}

std::vector<Tensor> DrivenCell::repeated_state(std::int64_t rows) const {
  std::vector<Tensor> out;
  for (const Tensor& part : state_) out.push_back(repeat_rows(part, rows));
  return out;
}

Tensor DrivenCell::jacobian(std::optional<std::int64_t> part) {
  const auto parts = static_cast<std::int64_t>(state_.size());
  if (part && (*part < 0 || *part >= parts))
    throw ValueError(fmt::format("{}: part {} of a state that has parts 0 to {}", where_, *part, parts - 1));
  const auto first = static_cast<std::size_t>(part.value_or(0));
  const std::size_t end = part ? first + 1 : state_.size();
  const std::int64_t rows = part ? part_sizes_[static_cast<int>(first)] : state_size_;

  Tape tape;
  std::vector<Tensor> state = repeated_state(rows), sources;
  for (std::size_t k = first; k < end; ++k) sources.push_back(state[k] = tape.watch(state[k]));
  const std::vector<Tensor> next = step(rows, state);
  if (identity_.empty()) {
    Dims sizes;
    for (std::size_t k = first; k < end; ++k) sizes.push_back(part_sizes_[static_cast<int>(k)]);
    const std::vector<Tensor> columns = split(eye(rows, state[0].dtype()), sizes, 1);
    for (std::size_t k = first; k < end; ++k)
      identity_.push_back(
          reshape(expand(unsqueeze(columns[k - first], 0), {batch_, rows, columns[k - first].size(1)}),
                  next[k].shape()));
  }
  std::vector<Target> targets;
  for (std::size_t k = first; k < end; ++k) targets.emplace_back(next[k], identity_[k - first]);
  std::vector<Tensor> blocks = tape.gradient(targets, sources);
  for (std::size_t k = 0; k < blocks.size(); ++k)
    blocks[k] = reshape(blocks[k].defined() ? blocks[k] : zeros_like(sources[k]),
                        {batch_, rows, part_sizes_[static_cast<int>(first + k)]});
  return concat(blocks, 2);
}

Tensor DrivenCell::push(const Tensor& tangents) const {
  const std::int64_t rows = tangents.size(1);
  Tape outer;
  std::vector<Tensor> cotangents, pulled;
  {
    Tape inner;  // which ends here, so that the outer one's sweep is not recorded
    std::vector<Tensor> state = repeated_state(rows);
    for (Tensor& part : state) part = inner.watch(part);
    std::vector<Target> targets;
    for (const Tensor& part : step(rows, state)) {
      cotangents.push_back(outer.watch(zeros_like(part)));
      targets.emplace_back(part, cotangents.back());
    }
    pulled = inner.gradient(targets, state);
  }
  const std::vector<Tensor> directions = split(tangents, part_sizes_, 2);
  std::vector<Target> targets;
  for (std::size_t k = 0; k < pulled.size(); ++k)
    if (pulled[k].defined()) targets.emplace_back(pulled[k], reshape(directions[k], pulled[k].shape()));
  std::vector<Tensor> pushed(cotangents.size());
  if (!targets.empty()) pushed = outer.gradient(targets, cotangents);
  for (std::size_t k = 0; k < pushed.size(); ++k)
    pushed[k] = reshape(pushed[k].defined() ? pushed[k] : zeros_like(cotangents[k]),
                        {batch_, rows, part_sizes_[static_cast<int>(k)]});
  return concat(pushed, 2);
}

void DrivenCell::advance() {
  state_ = step(1, state_);
  ++time_;
}

}  // namespace rill::flow
