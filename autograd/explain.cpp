#include <algorithm>
#include <map>
#include <set>

#include "fmt/format.h"
#include "rill/autograd/recording.h"
#include "rill/autograd/tape.h"

namespace rill {

using detail::Recording;

namespace {

std::int64_t result_bytes(const Recording& r, const Recording::Op& op) {
  std::int64_t bytes = 0;
  for (std::uint32_t j = 0; j < op.outputs; ++j) {
    const auto& value = r.values[op.first_output + j];
    bytes += count(value.shape) * static_cast<std::int64_t>(size_of(value.dtype));
  }
  return bytes;
}

std::string in_units(std::int64_t bytes) {
  const auto b = static_cast<double>(bytes);
  if (b < 1e3) return fmt::format("{} B", bytes);
  return b < 1e6 ? fmt::format("{:.1f} kB", b / 1e3) : fmt::format("{:.1f} MB", b / 1e6);
}

struct Total {
  std::int64_t operations = 0, bytes = 0;
};

std::string table(const char* title, const std::map<std::string, Total>& totals) {
  std::vector<std::pair<std::string, Total>> rows(totals.begin(), totals.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  std::string text = fmt::format("\n{:<40} {:>10} {:>12}\n", title, "operations", "results");
  for (const auto& [name, total] : rows)
    text += fmt::format("{:<40} {:>10} {:>12}\n", name, total.operations, in_units(total.bytes));
  return text;
}

// A layer, without the time step.
std::string layer_of(Place place, const ParameterNames& names) {
  place.time_step = -1;
  return to_string(place, names);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string Tape::explain(const ParameterNames& names) const {
  const Recording& r = recording("tape.explain");
  std::map<std::string, Total> by_name, by_layer;
  Total all;
  for (std::size_t o = open_->first_op; o < r.ops.size(); ++o) {
    const auto& op = r.ops[o];
    const std::int64_t bytes = result_bytes(r, op);
    for (Total* total : {&all, &by_name[op.name], &by_layer[layer_of(r.places[op.place], names)]}) {
      ++total->operations;
      total->bytes += bytes;
    }
  }
  return fmt::format("{} operations; {} of results, {} parameters\n", all.operations, in_units(all.bytes),
                     r.parameter_order.size()) +
         table("operation", by_name) + table("place", by_layer);
}

std::string Tape::graphviz(const ParameterNames& names) const {
  constexpr std::size_t most_nodes = 1000;
  const Recording& r = recording("tape.graphviz");
  const std::size_t first_op = open_->first_op;
  const bool each = r.ops.size() - first_op <= most_nodes;
  std::map<std::string, std::int64_t> nodes;  // by label, the number of operations
  std::set<std::pair<std::string, std::string>> edges;
  const auto label = [&](std::int64_t o) {
    const auto& op = r.ops[static_cast<std::size_t>(o)];
    if (!each) return fmt::format("{}\n{}", op.name, layer_of(r.places[op.place], names));
    return fmt::format("{} {}\n{}\n{}", o - static_cast<std::int64_t>(first_op), op.name,
                       to_string(r.values[op.first_output].shape), to_string(r.places[op.place], names));
  };
  for (std::size_t o = first_op; o < r.ops.size(); ++o) {
    const auto& op = r.ops[o];
    const std::string to = label(static_cast<std::int64_t>(o));
    ++nodes[to];
    for (std::uint32_t e = op.first_edge; e < op.first_edge + op.edges; ++e) {
      if (r.edges[e].value == Recording::no_value) continue;
      const std::int64_t from = r.values[r.edges[e].value].op;
      if (from >= static_cast<std::int64_t>(first_op)) edges.emplace(label(from), to);
      const std::string name = r.name_of(r.edges[e].value, names);
      if (!name.empty()) edges.emplace(name, to);
    }
  }
  std::string text = "digraph tape {\n  node [shape=box]\n";
  for (const auto& [node, operations] : nodes)
    text += fmt::format("  {} [label={}]\n", quoted(node),
                        quoted(each ? node : fmt::format("{} x {}", operations, node)));
  for (const auto& [from, to] : edges) text += fmt::format("  {} -> {}\n", quoted(from), quoted(to));
  return text + "}\n";
}

}  // namespace rill
