#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rill/nn/recurrent.h"

// Private to flow/: one step of a cell after another, and the derivative of each.

namespace rill::flow {

/// A cell on its way along sequences. Its state s is all parts of the cell's, a row of n numbers for each
/// example. Derivatives of all rows come from one sweep: a cell treats the rows of its batch apart, so a
/// batch that repeats an example r times takes r directions at once.
class DrivenCell {
 public:
  /// `where` begins the messages of errors. Throws ShapeError for x other than [batch, time, features] with
  /// at least one of each of the first two, and for initial parts that do not fit.
  DrivenCell(std::string where, const nn::detail::CellReference& cell, const Tensor& x,
             std::vector<Tensor> initial);

  std::int64_t batch() const { return batch_; }
  std::int64_t steps() const { return static_cast<std::int64_t>(inputs_.size()); }
  std::int64_t state_size() const { return state_size_; }

  /// d s_t / d s_{t-1} of the step to come, [batch, n, n]; of one part alone, with the others held.
  Tensor jacobian(std::optional<std::int64_t> part);
  /// That matrix times each row of tangents [batch, k, n], by differentiating the vector-Jacobian product.
  Tensor push(const Tensor& tangents) const;
  /// Takes the step.
  void advance();

 private:
  std::vector<Tensor> step(std::int64_t rows, const std::vector<Tensor>& state) const;
  std::vector<Tensor> repeated_state(std::int64_t rows) const;

  std::string where_;
  const nn::detail::CellReference& cell_;
  std::vector<Tensor> inputs_;  // by time
  std::vector<Tensor> state_;
  Dims part_sizes_;
  std::int64_t batch_ = 0, state_size_ = 0;
  std::size_t time_ = 0;
  std::vector<Tensor> identity_;  // the cotangents of jacobian(), which are the same at every step
};

}  // namespace rill::flow
