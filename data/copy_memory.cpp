#include "rill/data/copy_memory.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "rill/data/memory.h"
#include "rill/data/task.h"

namespace rill::data {
namespace {

constexpr std::int64_t copied = 10;
constexpr std::int64_t alphabet = 8;
constexpr std::uint8_t blank = 8;
constexpr std::uint8_t delimiter = 9;

void check_delay(const char* task, std::int64_t delay) { detail::check_size(task, "the delay", delay, 1); }

}  // namespace

Dataset copy_memory(const CopyMemoryOptions& options) {
  check_delay("copy_memory", options.delay);
  detail::check_size("copy_memory", "the number of examples", options.examples, 1);
  Generator generator(options.seed);
  const std::int64_t length = options.delay + 2 * copied;
  const auto steps = static_cast<std::size_t>(options.examples * length);
  auto sequences = detail::make_bytes("copy_memory", steps * copy_memory_symbols);
  auto answers = detail::make_bytes("copy_memory", steps, blank);
  auto symbols = detail::make_bytes("copy_memory", static_cast<std::size_t>(length), blank);
  symbols[static_cast<std::size_t>(copied + options.delay - 1)] = delimiter;
  std::uint8_t* step = sequences.data();
  for (auto answer = answers.begin(); answer != answers.end();) {
    for (std::size_t i = 0; i < copied; ++i)
      symbols[i] = static_cast<std::uint8_t>(generator.integer(alphabet));
    step = detail::write_one_hot(symbols, copy_memory_symbols, step);
    answer = std::copy_n(symbols.begin(), copied, answer + options.delay + copied);
  }
  return Dataset::from_bytes(std::move(sequences), {length, copy_memory_symbols}, std::move(answers),
                             {length});
}

double copy_memory_baseline(std::int64_t delay) {
  check_delay("copy_memory_baseline", delay);
  return copied * std::log(alphabet) / static_cast<double>(delay + 2 * copied);
}

}  // namespace rill::data
