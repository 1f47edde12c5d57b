#include "rill/flow/norms.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/autograd/record.h"
#include "rill/autograd/tape.h"
#include "rill/flow/length.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill::flow {

Tensor norms_over_time(const std::vector<Tensor>& by_time) {
  const auto first =
      std::find_if(by_time.begin(), by_time.end(), [](const Tensor& x) { return x.defined(); });
  if (first == by_time.end())
    throw ValueError("norms_over_time: no tensor holds a value; does the loss depend on these states?");
  if (first->rank() == 0) throw ShapeError("norms_over_time: a scalar; expected tensors [batch, ...]");
  const std::int64_t batch = first->size(0);
  Tensor out = zeros({static_cast<std::int64_t>(by_time.size()), batch}, DType::float64);
  const auto norms = rill::detail::TensorAccess::fill<double>(out);
  for (std::size_t t = 0; t < by_time.size(); ++t) {
    if (!by_time[t].defined()) continue;
    const auto rows = row_lengths(by_time[t]);
    if (static_cast<std::int64_t>(rows.size()) != batch)
      throw ShapeError(fmt::format("norms_over_time: step {} has shape {}; expected a batch of {}", t,
                                   to_string(by_time[t].shape()), batch));
    std::copy(rows.begin(), rows.end(), norms.begin() + static_cast<std::ptrdiff_t>(t) * batch);
  }
  return out;
}

struct GradientNorms::Cell {
  std::int64_t steps;
  std::vector<std::vector<std::vector<double>>> norms;  // by part of the state, time and example

  Tensor part(std::size_t k) const {
    std::size_t batch = 0;
    for (const auto& row : norms[k]) batch = std::max(batch, row.size());
    std::vector<double> out;
    for (auto row : norms[k]) {
      row.resize(batch);
      out.insert(out.end(), row.begin(), row.end());
    }
    return Tensor::from(out, {steps, static_cast<std::int64_t>(batch)});
  }
};

GradientNorms::GradientNorms() = default;

void GradientNorms::begin_again() { cells_.clear(); }

void GradientNorms::begin_cell(std::int64_t steps) {
  if (!is_recording()) return;
  cells_.push_back(std::make_shared<Cell>(Cell{steps, {}}));
}

void GradientNorms::end_step(std::int64_t time, std::vector<Tensor>& state) {
  if (!is_recording()) return;
  const std::shared_ptr<Cell> cell = cells_.back();
  cell->norms.resize(state.size(), std::vector<std::vector<double>>(static_cast<std::size_t>(cell->steps)));
  for (std::size_t k = 0; k < state.size(); ++k) {
    if (!rill::detail::is_tracked(state[k])) continue;
    auto* const row = &cell->norms[k][static_cast<std::size_t>(time)];
    row->resize(static_cast<std::size_t>(state[k].size(0)));
    // The tape may outlive this object, so its rule shares the cell.
    state[k] = record("gradient_norms", state[k], wrt(state[k], [cell, row](const Tensor& g) {
                        *row = row_lengths(g);
                        return g;
                      }));
  }
}

std::vector<std::vector<Tensor>> GradientNorms::cells() const {
  std::vector<std::vector<Tensor>> out;
  for (const auto& cell : cells_) {
    auto& parts = out.emplace_back();
    for (std::size_t k = 0; k < cell->norms.size(); ++k) parts.push_back(cell->part(k));
  }
  return out;
}

}  // namespace rill::flow
