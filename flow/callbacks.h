#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "rill/flow/noise.h"
#include "rill/flow/record.h"
#include "rill/tensor/tensor.h"
#include "rill/train/fit.h"

// Instruments that train::fit calls:
//
//   flow::Record record;
//   train::fit(model, data, {..., .callbacks = {flow::record_gradient_norms(record, 100),
//                                               flow::record_update_ratios(record, 100),
//                                               flow::every(100, [&](const train::Training&, std::int64_t
//                                               step) {
//                                                 Tape tape;
//                                                 const auto run = model.lstm.trace(probe);
//                                                 ...
//                                                 flow::add_over_time(record, "dL/dh", step, norms);
//                                               })}});
//   record.save_csv("measurements");
//
// A record must live as long as the callback that writes to it. Between samples a callback costs a comparison
// a step. Steps are those since training began (train::Training::total_steps): a run that is resumed counts
// on.

namespace rill::flow {

/// Calls `measure` after every `interval`-th step, with the number of the step since training began, from 1.
/// The cost is that of `measure` divided by the interval. Throws ValueError for an interval below 1 and an
/// empty function.
train::Callback every(std::int64_t interval,
                      std::function<void(train::Training& training, std::int64_t step)> measure);

/// The norms of the gradients with respect to the states of all recurrent layers, of every `interval`-th
/// step, as that step's own sweep meets them (`GradientNorms`): tables "<table>.<cell>.<part>", such as
/// "gradient_norm.0.0" for h of the first cell and "gradient_norm.0.1" for an LSTM's c, with the columns
/// "step" and "0", "1", ... for the time steps, each the mean over the batch of the norms of an example's
/// gradient.
train::Callback record_gradient_norms(Record& record, std::int64_t interval,
                                      const std::string& table = "gradient_norm");

/// ||w after the step - w before|| / ||w before|| of a parameter. Infinite where all of w was 0 and is not.
double update_ratio(const Tensor& before, const Tensor& after);

/// The ratio of update to weight, by parameter, of every `interval`-th step: table `table` with the columns
/// "step" and the parameters' names. About 1e-3 is healthy, by experience (Karpathy 2015, CS231n notes). A
/// sample costs a copy of the weights and a pass over old and new ones.
train::Callback record_update_ratios(Record& record, std::int64_t interval,
                                     const std::string& table = "update_ratio");

/// The noise of the gradients of `batches` steps in succession, at the end of every `interval` steps: table
/// `table` with the columns "step", "squared_norm", "trace", "noise_scale" and, by parameter, the
/// signal-to-noise ratio. The weights move during those steps, so they should be few. `batch_size` is that of
/// training. A sampled step costs a few passes over the gradients, and their running mean is kept meanwhile.
/// A run that is resumed among those steps leaves them out. Throws ValueError unless 2 <= batches <=
/// interval.
train::Callback record_gradient_noise(Record& record, std::int64_t interval, std::int64_t batches,
                                      std::int64_t batch_size, const std::string& table = "gradient_noise");

/// Adds a row of values over time, [time], or of their means over the batch, [time, batch]: columns "step"
/// and "0", "1", ... for the time steps.
void add_over_time(Record& record, const std::string& table, std::int64_t step, const Tensor& values);

}  // namespace rill::flow
