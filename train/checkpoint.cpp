#include "rill/train/checkpoint.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/train/atomic_file.h"
#include "rill/train/tensor_json.h"

namespace rill::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* format_name = "rill checkpoint";
constexpr int schema = 1;

std::string checksum(const std::string& content) {
  return fmt::format("crc32:{:08x}",
                     crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
}

// A figure that may be NaN or infinite, for which JSON has no number.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(fmt::format("{}", value)); }

double to_number(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  if (json == "nan" || json == "-nan") return std::numeric_limits<double>::quiet_NaN();
  throw FileError(fmt::format("{} is no number", json.dump()));
}

Json to_json(const Generator::State& state) { return {{"seed", state.seed}, {"block", state.block}}; }

Generator::State to_generator(const Json& json) {
  return {json.at("seed").get<std::uint64_t>(), json.at("block").get<std::uint64_t>()};
}

Json to_json(const std::vector<std::pair<std::string, double>>& figures) {
  Json json = Json::object();
  for (const auto& [name, value] : figures) json[name] = number(value);
  return json;
}

std::vector<std::pair<std::string, double>> to_figures(const Json& json) {
  std::vector<std::pair<std::string, double>> out;
  for (const auto& [name, value] : json.items()) out.emplace_back(name, to_number(value));
  return out;
}

Json to_json(const Batching& batching) {
  return {{"samples", batching.samples},
          {"batch_size", batching.batch_size},
          {"shuffle", batching.shuffle},
          {"drop_last", batching.drop_last}};
}

Batching to_batching(const Json& json) {
  return {json.at("samples").get<std::int64_t>(), json.at("batch_size").get<std::int64_t>(),
          json.at("shuffle").get<bool>(), json.at("drop_last").get<bool>()};
}

Json to_json(const nn::State& state) {
  Json json = Json::object();
  for (const auto& [name, tensor] : state) json[name] = train::to_json(tensor);
  return json;
}

nn::State to_state(const Json& json, const std::string& where) {
  nn::State state;
  for (const auto& [name, tensor] : json.items())
    state.emplace_back(name, tensor_from_json(tensor, where + name));
  return state;
}

Json to_json(const optim::State& state) {
  Json parameters = Json::object();
  for (const auto& [name, parameter] : state.parameters) {
    Json& json = parameters[name];
    json["updates"] = parameter.updates;
    json["slots"] = Json::object();
    for (const auto& [slot, tensor] : parameter.slots) json["slots"][slot] = train::to_json(tensor);
  }
  return {{"rule", state.rule},
          {"step", state.step},
          {"learning_rate_factor", number(state.learning_rate_factor)},
          {"parameters", std::move(parameters)}};
}

optim::State to_optimizer(const Json& json, const std::string& where) {
  optim::State state;
  state.rule = json.at("rule").get<std::string>();
  state.step = json.at("step").get<std::int64_t>();
  state.learning_rate_factor = to_number(json.at("learning_rate_factor"));
  for (const auto& [name, parameter] : json.at("parameters").items()) {
    auto& entry = state.parameters[name];
    entry.updates = parameter.at("updates").get<std::int64_t>();
    for (const auto& [slot, tensor] : parameter.at("slots").items())
      entry.slots[slot] = tensor_from_json(tensor, fmt::format("{}: optimizer {} of {}", where, slot, name));
  }
  return state;
}

Json to_content(const Checkpoint& checkpoint) {
  Json content;
  content["epoch"] = checkpoint.epoch;
  content["step"] = checkpoint.step;
  content["total_steps"] = checkpoint.total_steps;
  if (checkpoint.batching) content["batching"] = to_json(*checkpoint.batching);
  content["examples"] = checkpoint.examples;
  content["loss_weight"] = number(checkpoint.loss_weight);
  content["totals"] = to_json(checkpoint.totals);
  content["options"] = checkpoint.options;
  content["history"] = Json::array();
  for (const auto& epoch : checkpoint.history.epochs)
    content["history"].push_back({{"epoch", epoch.number}, {"metrics", to_json(epoch.metrics)}});
  content["epoch_random"] = to_json(checkpoint.epoch_random);
  content["random"] = to_json(checkpoint.random);
  content["weights"] = to_json(checkpoint.weights);
  content["optimizer"] = to_json(checkpoint.optimizer);
  content["callbacks"] = Json::object();
  for (const auto& [name, state] : checkpoint.callbacks) content["callbacks"][name] = to_json(state);
  return content;
}

Checkpoint to_checkpoint(const Json& content, const std::string& where) {
  Checkpoint checkpoint;
  checkpoint.epoch = content.at("epoch").get<std::int64_t>();
  checkpoint.step = content.at("step").get<std::int64_t>();
  checkpoint.examples = content.at("examples").get<std::int64_t>();
  checkpoint.totals = to_figures(content.at("totals"));
  checkpoint.options = content.at("options").get<std::map<std::string, std::string>>();
  for (const Json& epoch : content.at("history"))
    checkpoint.history.epochs.push_back(
        {epoch.at("epoch").get<std::int64_t>(), to_figures(epoch.at("metrics"))});
  checkpoint.epoch_random = to_generator(content.at("epoch_random"));
  checkpoint.random = to_generator(content.at("random"));
  checkpoint.weights = to_state(content.at("weights"), where + ": weight ");
  checkpoint.optimizer = to_optimizer(content.at("optimizer"), where);
  // What follows is not in the files of the first version.
  checkpoint.total_steps = content.value("total_steps", std::max(checkpoint.step, checkpoint.optimizer.step));
  if (content.contains("batching")) checkpoint.batching = to_batching(content.at("batching"));
  checkpoint.loss_weight = content.contains("loss_weight") ? to_number(content.at("loss_weight"))
                                                           : static_cast<double>(checkpoint.examples);
  if (content.contains("callbacks"))
    for (const auto& [name, state] : content.at("callbacks").items())
      checkpoint.callbacks[name] = to_state(state, fmt::format("{}: callback {}: ", where, name));
  return checkpoint;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw FileError(fmt::format("{}: cannot open the checkpoint: {}", path, std::strerror(errno)));
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  Json content = to_content(checkpoint);
  Json file;
  file["format"] = format_name;
  file["schema"] = schema;
  file["checksum"] = checksum(content.dump());
  file["content"] = std::move(content);
  write_atomically(path, file.dump(1) + "\n");
}

Checkpoint read_checkpoint(const std::string& path) {
  Json file;
  try {
    file = Json::parse(read_file(path));
  } catch (const Json::exception& error) {
    throw FileError(fmt::format("{}: this is no JSON: {}", path, error.what()));
  }
  if (!file.is_object() || file.value("format", Json()) != format_name || !file.contains("content"))
    throw FileError(
        fmt::format("{}: this is no checkpoint of Rill: it lacks \"format\": \"{}\"", path, format_name));
  if (file.value("schema", Json()) != schema)
    throw FileError(fmt::format("{}: the checkpoint has schema {}; this version of Rill reads schema {}",
                                path, file.value("schema", Json()).dump(), schema));
  const std::string found = checksum(file["content"].dump());
  if (file.value("checksum", Json()) != found)
    throw FileError(fmt::format("{}: the checkpoint is damaged: its content has checksum {}, not {}", path,
                                found, file.value("checksum", Json()).dump()));
  try {
    return to_checkpoint(file["content"], path);
  } catch (const Json::exception& error) {
    throw FileError(fmt::format("{}: the checkpoint lacks something: {}", path, error.what()));
  }
}

void restore(const Checkpoint& checkpoint, const nn::Fields& model, optim::Optimizer& optimizer,
             const std::string& where) {
  const std::string problems = nn::differences(model, checkpoint.weights);
  if (!problems.empty())
    throw ValueError(fmt::format("{}: the weights do not fit the model:{}", where, problems));
  try {
    optimizer.set_state(nn::parameters(model), checkpoint.optimizer);
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("{}: {}", where, error.what()));
  }
  nn::load_state(model, checkpoint.weights, where);
}

}  // namespace rill::train
