#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

namespace bench {

/// Times every call of `step` by itself and reports the mean, the median and the least as counters, in
/// microseconds for one of the `units` that a call does.
template <class Step>
void measure(benchmark::State& state, Step step, double units = 1, int warm_up = 3) {
  for (int i = 0; i < warm_up; ++i) step();
  std::vector<double> times;
  for ([[maybe_unused]] auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    step();
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
    times.push_back(time.count() / units);
  }
  state.counters["mean"] =
      std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  state.counters["median"] = *middle;
  state.counters["least"] = *std::min_element(times.begin(), times.end());
}

}  // namespace bench
