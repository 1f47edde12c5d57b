#include "rill/train/history.h"

#include <algorithm>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/train/atomic_file.h"
#include "rill/train/csv.h"
#include "rill/train/json.h"

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
  Json json;
  json["epoch"] = Json::array();
  for (const Epoch& epoch : epochs) json["epoch"].push_back(epoch.number);
  for (const std::string& name : names(*this)) {
    if (name == "epoch")
      throw ValueError("history: a metric has the name \"epoch\", which is that of the first column");
    auto& column = json[name] = Json::array();
    for (const Epoch& epoch : epochs) {
      const double* value = find(epoch, name);
      column.push_back(value ? Json(*value) : Json(nullptr));
    }
  }
  return to_text(json, 2, "history") + "\n";
}

std::string History::to_csv() const {
  std::string out = "epoch";
  const auto columns = names(*this);
  for (const std::string& name : columns) out += "," + csv_field(name);
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

namespace {

bool is_json(const std::string& path) {
  if (path.ends_with(".json")) return true;
  if (path.ends_with(".csv")) return false;
  throw ValueError(fmt::format("history: \"{}\" ends neither in .json nor in .csv", path));
}

}  // namespace

void History::save(const std::string& path) const {
  write_atomically(path, is_json(path) ? to_json() : to_csv());
}

void History::check_path(const std::string& path) {
  is_json(path);
  check_writable(path);
}

}  // namespace rill::train
