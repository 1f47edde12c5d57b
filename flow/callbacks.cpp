#include "rill/flow/callbacks.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "fmt/format.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/flow/length.h"
#include "rill/flow/norms.h"
#include "rill/nn/state.h"
#include "rill/tensor/error.h"

namespace rill::flow {
namespace {

void check_interval(const char* function, std::int64_t interval) {
  if (interval < 1)
    throw ValueError(fmt::format("{}: an interval of {} steps; expected at least 1", function, interval));
}

}  // namespace

train::Callback every(std::int64_t interval,
                      std::function<void(train::Training& training, std::int64_t step)> measure) {
  check_interval("every", interval);
  if (!measure) throw ValueError("every: the function is empty; expected measure(training, step)");
  return {.on_step = [interval, measure = std::move(measure)](train::Training& training) {
    if (training.total_steps % interval == 0) measure(training, training.total_steps);
  }};
}

train::Callback record_gradient_norms(Record& record, std::int64_t interval, const std::string& table) {
  check_interval("record_gradient_norms", interval);
  const auto norms =
      std::make_shared<std::unique_ptr<GradientNorms>>();  // only during a step that is sampled
  const auto watch_next = [norms, interval](const train::Training& training) {
    *norms = (training.total_steps + 1) % interval == 0 ? std::make_unique<GradientNorms>() : nullptr;
  };
  const auto add = [table, &record](std::int64_t step, const std::vector<std::vector<Tensor>>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      for (std::size_t k = 0; k < cells[i].size(); ++k)
        add_over_time(record, fmt::format("{}.{}.{}", table, i, k), step, cells[i][k]);
  };
  return {.on_begin = watch_next,
          .on_step =
              [norms, watch_next, add](train::Training& training) {
                if (*norms) add(training.total_steps, (*norms)->cells());
                watch_next(training);
              },
          .on_end = [norms](train::Training&) { norms->reset(); }};
}

double update_ratio(const Tensor& before, const Tensor& after) {
  const PauseRecording pause;
  const double weight = length(before), update = length(after - before);
  if (weight > 0) return update / weight;
  return update > 0 ? std::numeric_limits<double>::infinity() : 0;
}

train::Callback record_update_ratios(Record& record, std::int64_t interval, const std::string& table) {
  check_interval("record_update_ratios", interval);
  const auto before = std::make_shared<nn::State>();
  // The values before the step that is to be sampled; the optimiser, which would write them in place, copies.
  const auto keep = [before, interval](train::Training& training) {
    *before = (training.total_steps + 1) % interval == 0 ? nn::state(training.model) : nn::State();
  };
  return {.on_begin = keep,
          .on_step =
              [before, keep, interval, table, &record](train::Training& training) {
                if (training.total_steps % interval == 0) {
                  Row row = {{"step", static_cast<double>(training.total_steps)}};
                  const nn::State after = nn::state(training.model);
                  for (std::size_t i = 0; i < after.size(); ++i)
                    row.emplace_back(after[i].first, update_ratio((*before)[i].second, after[i].second));
                  before->clear();
                  record.add(table, row);
                }
                keep(training);
              },
          .on_end = [before](train::Training&) { before->clear(); }};
}

train::Callback record_gradient_noise(Record& record, std::int64_t interval, std::int64_t batches,
                                      std::int64_t batch_size, const std::string& table) {
  if (batches < 2 || batches > interval)
    throw ValueError(fmt::format(
        "record_gradient_noise: {} batches of every {} steps; expected at least 2 and no more than the steps",
        batches, interval));
  const auto meter = std::make_shared<NoiseMeter>(batch_size);
  const auto begin_again = [meter, batch_size](train::Training&) { *meter = NoiseMeter(batch_size); };
  return {.on_begin = begin_again,
          .on_step =
              [meter, begin_again, interval, batches, table, &record](train::Training& training) {
                const std::int64_t at = (training.total_steps - 1) % interval;
                if (at < interval - batches) return;
                meter->add(*training.gradients);
                if (at < interval - 1) return;
                if (meter->batches() < batches) {  // this run was resumed among them
                  begin_again(training);
                  return;
                }
                const GradientNoise noise = meter->result();
                begin_again(training);
                Row row = {{"step", static_cast<double>(training.total_steps)},
                           {"squared_norm", noise.squared_norm},
                           {"trace", noise.trace},
                           {"noise_scale", noise.noise_scale}};
                for (const auto& [name, parameter] : nn::parameters(training.model)) {
                  const auto found = std::find_if(
                      noise.parameters.begin(), noise.parameters.end(),
                      [id = parameter->id()](const auto& entry) { return entry.parameter == id; });
                  if (found != noise.parameters.end()) row.emplace_back(name, found->signal_to_noise);
                }
                record.add(table, row);
              },
          .on_end = begin_again};
}

void add_over_time(Record& record, const std::string& table, std::int64_t step, const Tensor& values) {
  const PauseRecording pause;
  if (values.rank() != 1 && values.rank() != 2)
    throw ShapeError(fmt::format("add_over_time: values of shape {}; expected [time] or [time, batch]",
                                 to_string(values.shape())));
  const auto means = (values.rank() == 2 ? mean(values, 1) : values).to_vector<double>();
  const std::size_t steps = record.contains(table) ? record[table].columns.size() - 1 : means.size();
  Row row = {{"step", static_cast<double>(step)}};
  for (std::size_t t = 0; t < steps; ++t)
    row.emplace_back(std::to_string(t),
                     t < means.size() ? means[t] : std::numeric_limits<double>::quiet_NaN());
  record.add(table, row);
}

}  // namespace rill::flow
