#include "rill/train/checkpoint_json.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "rill/tensor/error.h"
#include "rill/tensor/utf8.h"
#include "rill/train/json.h"
#include "rill/train/tensor_json.h"

namespace rill::train {
namespace {

using Totals = std::vector<std::pair<std::string, double>>;

constexpr const char* format_name = "rill checkpoint";
constexpr int schema = 1;

std::string checksum(const std::string& content) {
  return fmt::format("crc32:{:08x}",
                     crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
}

Json to_json(const Generator::State& state) { return {{"seed", state.seed}, {"block", state.block}}; }

Generator::State to_generator(const JsonPlace& json) {
  return {json["seed"].unsigned_64(), json["block"].unsigned_64()};
}

// An object of named things, of which none may get lost.
template <class Value, class F>
Json to_json(const std::vector<std::pair<std::string, Value>>& named, const std::string& where, F&& convert) {
  Json json = Json::object();
  for (const auto& [name, value] : named) {
    if (json.contains(name))
      throw ValueError(fmt::format("{}: the name {} is given twice", where, quote(name)));
    json[name] = convert(value);
  }
  return json;
}

Json to_json(const Totals& totals, const std::string& where) { return to_json(totals, where, from_number); }

Totals to_totals(const JsonPlace& json) {
  Totals out;
  for (const auto& [name, value] : json.members()) out.emplace_back(name, value.number());
  return out;
}

Json to_json(const Batching& batching) {
  return {{"samples", batching.samples},
          {"batch_size", batching.batch_size},
          {"shuffle", batching.shuffle},
          {"drop_last", batching.drop_last}};
}

double at_least_0(const JsonPlace& json) {
  const double value = json.number();
  if (!(std::isfinite(value) && value >= 0)) json.fail("a finite number of 0 or more");
  return value;
}

Batching to_batching(const JsonPlace& json) {
  return {json["samples"].count(), json["batch_size"].count(1), json["shuffle"].boolean(),
          json["drop_last"].boolean()};
}

Json to_json(const nn::State& state, const std::string& where) {
  return to_json(state, where, [](const Tensor& tensor) { return train::to_json(tensor); });
}

nn::State to_state(const JsonPlace& json) {
  nn::State state;
  for (const auto& [name, tensor] : json.members()) state.emplace_back(name, tensor_from_json(tensor));
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
          {"learning_rate_factor", from_number(state.learning_rate_factor)},
          {"parameters", std::move(parameters)}};
}

optim::State to_optimizer(const JsonPlace& json) {
  optim::State state;
  state.rule = json["rule"].text();
  state.step = json["step"].count();
  state.learning_rate_factor = at_least_0(json["learning_rate_factor"]);
  for (const auto& [name, parameter] : json["parameters"].members()) {
    auto& entry = state.parameters[name];
    entry.updates = parameter["updates"].count();
    for (const auto& [slot, tensor] : parameter["slots"].members())
      entry.slots[slot] = tensor_from_json(tensor);
  }
  return state;
}

Json to_content(const Checkpoint& checkpoint, const std::string& file) {
  Json content;
  content["epoch"] = checkpoint.epoch;
  content["step"] = checkpoint.step;
  content["total_steps"] = checkpoint.total_steps;
  if (checkpoint.batching) content["batching"] = to_json(*checkpoint.batching);
  content["examples"] = checkpoint.examples;
  content["loss_weight"] = from_number(checkpoint.loss_weight);
  content["totals"] = to_json(checkpoint.totals, file + ": totals");
  content["options"] = checkpoint.options;
  content["history"] = Json::array();
  for (const auto& epoch : checkpoint.history.epochs)
    content["history"].push_back(
        {{"epoch", epoch.number}, {"metrics", to_json(epoch.metrics, file + ": history")}});
  content["epoch_random"] = to_json(checkpoint.epoch_random);
  content["random"] = to_json(checkpoint.random);
  content["weights"] = to_json(checkpoint.weights, file + ": weights");
  content["optimizer"] = to_json(checkpoint.optimizer);
  content["callbacks"] = Json::object();
  for (const auto& [name, state] : checkpoint.callbacks)
    content["callbacks"][name] = to_json(state, file + ": callbacks");
  return content;
}

// The last of the epochs that are finished, or none of them.
History to_history(const JsonPlace& json, std::int64_t finished) {
  History history;
  const auto epochs = json.elements();
  const auto size = static_cast<std::int64_t>(epochs.size());
  if (size > finished)
    json.fail(fmt::format("the {} epochs that are finished, or the last of them", finished));
  for (const JsonPlace& epoch : epochs) {
    const std::int64_t number = finished - size + static_cast<std::int64_t>(history.epochs.size()) + 1;
    if (epoch["epoch"].count() != number) epoch["epoch"].fail(std::to_string(number));
    history.epochs.push_back({number, to_totals(epoch["metrics"])});
  }
  return history;
}

Checkpoint to_checkpoint(const JsonPlace& content) {
  Checkpoint checkpoint;
  checkpoint.epoch = content["epoch"].count();
  checkpoint.step = content["step"].count();
  checkpoint.examples = content["examples"].count();
  checkpoint.totals = to_totals(content["totals"]);
  for (const auto& [name, value] : content["options"].members()) checkpoint.options[name] = value.text();
  checkpoint.history = to_history(content["history"], checkpoint.epoch);
  checkpoint.epoch_random = to_generator(content["epoch_random"]);
  checkpoint.random = to_generator(content["random"]);
  checkpoint.weights = to_state(content["weights"]);
  checkpoint.optimizer = to_optimizer(content["optimizer"]);
  // What follows is not in the files of the first version.
  checkpoint.total_steps = content.has("total_steps")
                               ? content["total_steps"].count()
                               : std::max(checkpoint.epoch + checkpoint.step, checkpoint.optimizer.step);
  if (content.has("batching")) checkpoint.batching = to_batching(content["batching"]);
  checkpoint.loss_weight = content.has("loss_weight") ? at_least_0(content["loss_weight"])
                                                      : static_cast<double>(checkpoint.examples);
  if (content.has("callbacks"))
    for (const auto& [name, state] : content["callbacks"].members())
      checkpoint.callbacks[name] = to_state(state);
  return checkpoint;
}

}  // namespace

std::string checkpoint_to_json(const Checkpoint& checkpoint, const std::string& file) {
  Json content = to_content(checkpoint, file);
  Json json;
  json["format"] = format_name;
  json["schema"] = schema;
  json["checksum"] = checksum(to_text(content, -1, file));
  json["content"] = std::move(content);
  return to_text(json, 1, file) + "\n";
}

Checkpoint checkpoint_from_json(std::string_view text, const std::string& file) {
  const Json json = parse_json(text, file);
  const JsonPlace top(json, file);
  const auto is = [&](const char* key, const Json& value) {
    return top.has(key) && top[key].json() == value;
  };
  if (!json.is_object() || !is("format", format_name) || !top.has("content"))
    throw FileError(
        fmt::format("{}: this is no checkpoint of Rill: it lacks \"format\": \"{}\"", file, format_name));
  if (!is("schema", schema))
    throw FileError(fmt::format("{}: the checkpoint has schema {}; this version of Rill reads schema {}",
                                file, top["schema"].json().dump(), schema));
  const std::string found = checksum(json["content"].dump());
  if (!is("checksum", found))
    throw FileError(fmt::format("{}: the checkpoint is damaged: its content has checksum {}, not {}", file,
                                found, top["checksum"].json().dump()));
  return to_checkpoint(top["content"]);
}

}  // namespace rill::train
