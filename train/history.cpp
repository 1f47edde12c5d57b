#include "rill/train/history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/train/atomic_file.h"

namespace rill::train {
namespace {

const double* find(const History::Epoch& epoch, const std::string& metric) {
  const auto found = std::find_if(epoch.metrics.begin(), epoch.metrics.end(),
                                  [&](const auto& entry) { return entry.first == metric; });
  return found == epoch.metrics.end() ? nullptr : &found->second;
}

// The metrics of all epochs, in the order of their first appearance.
std::vector<std::string> names(const History& history) {
  std::vector<std::string> out;
  for (const auto& epoch : history.epochs)
    for (const auto& [name, value] : epoch.metrics)
      if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  return out;
}

}  // namespace

std::vector<double> History::operator[](const std::string& metric) const {
  std::vector<double> out;
  for (const Epoch& epoch : epochs) {
    const double* value = find(epoch, metric);
    if (!value) throw ValueError(fmt::format("history: epoch {} has no metric \"{}\"", epoch.number, metric));
    out.push_back(*value);
  }
  return out;
}

std::string History::to_json() const {
  nlohmann::ordered_json json;
  json["epoch"] = nlohmann::ordered_json::array();
  for (const Epoch& epoch : epochs) json["epoch"].push_back(epoch.number);
  for (const std::string& name : names(*this)) {
    auto& column = json[name] = nlohmann::ordered_json::array();
    for (const Epoch& epoch : epochs) {
      const double* value = find(epoch, name);
      column.push_back(value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr));
    }
  }
  return json.dump(2) + "\n";
}

std::string History::to_csv() const {
  std::string out = "epoch";
  const auto columns = names(*this);
  for (const std::string& name : columns) out += "," + name;
  out += "\n";
  for (const Epoch& epoch : epochs) {
    out += std::to_string(epoch.number);
    for (const std::string& name : columns) {
      const double* value = find(epoch, name);
      out += value ? fmt::format(",{}", *value) : ",";
    }
    out += "\n";
  }
  return out;
}

void History::save(const std::string& path) const {
  if (path.ends_with(".json"))
    write_atomically(path, to_json());
  else if (path.ends_with(".csv"))
    write_atomically(path, to_csv());
  else
    throw ValueError(fmt::format("history: \"{}\" ends neither in .json nor in .csv", path));
}

}  // namespace rill::train
