#include "rill/data/temporal_order.h"

#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "rill/data/memory.h"
#include "rill/data/task.h"

namespace rill::data {
namespace {

enum Symbol : std::uint8_t { start, trigger, first_distractor, x = 6, y = 7 };
constexpr std::int64_t distractors = 4;

// Where a relevant symbol may stand, in hundredths of the length.
struct Range {
  std::int64_t from, to;
};
constexpr std::array<Range, 2> two = {{{10, 20}, {50, 60}}};
constexpr std::array<Range, 3> three = {{{10, 20}, {33, 43}, {66, 76}}};

std::span<const Range> ranges(const char* task, std::int64_t relevant) {
  if (relevant == 2) return two;
  if (relevant == 3) return three;
  throw ValueError(fmt::format("{}: {} relevant symbols; expected 2 or 3", task, relevant));
}

}  // namespace

Dataset temporal_order(const TemporalOrderOptions& options) {
  const auto places = ranges("temporal_order", options.relevant);
  detail::check_size("temporal_order", "the length", options.length, 10);
  detail::check_size("temporal_order", "the number of examples", options.examples, 1);
  Generator generator(options.seed);
  const auto length = static_cast<std::size_t>(options.length);
  const auto examples = static_cast<std::size_t>(options.examples);
  auto sequences = detail::make_bytes("temporal_order", examples * length * temporal_order_symbols);
  auto classes = detail::make_bytes("temporal_order", examples);
  auto symbols = detail::make_bytes("temporal_order", length);
  std::uint8_t* step = sequences.data();
  for (std::uint8_t& label : classes) {
    for (std::uint8_t& symbol : symbols)
      symbol = static_cast<std::uint8_t>(first_distractor + generator.integer(distractors));
    symbols.front() = start;
    symbols.back() = trigger;
    for (const Range& range : places) {
      const std::int64_t from = range.from * options.length / 100;
      const std::int64_t to = range.to * options.length / 100;
      const std::int64_t is_y = generator.integer(2);
      symbols[static_cast<std::size_t>(from + generator.integer(to - from + 1))] = is_y ? y : x;
      label = static_cast<std::uint8_t>(2 * label + is_y);
    }
    step = detail::write_one_hot(symbols, temporal_order_symbols, step);
  }
  return Dataset::from_bytes(std::move(sequences), {options.length, temporal_order_symbols},
                             std::move(classes));
}

TemporalOrderBaseline temporal_order_baseline(std::int64_t relevant) {
  const double classes = std::exp2(ranges("temporal_order_baseline", relevant).size());
  return {std::log(classes), 1 / classes};
}

}  // namespace rill::data
