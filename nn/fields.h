#pragma once

#include <concepts>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rill/autograd/parameter.h"

namespace rill::nn {

class Fields;

/// A struct is a module when one function names its parts:
///
///   nn::Fields fields() { return {{"hidden", hidden}, {"output", output}}; }
///
/// Parameter lists, counts, summaries, checkpoints and comparison come from it. A module that says
/// `std::string kind() const` appears in summaries under that name.
template <class M>
concept Module = requires(M& module) {
  { module.fields() } -> std::same_as<Fields>;
};

/// A named part of a module: a parameter, a module, an optional one, or a list of modules, whose names are 0,
/// 1, ...
class Field {
 public:
  Field(std::string name, Parameter& parameter) : name_(std::move(name)), parameter_(&parameter) {}
  template <Module M>
  Field(std::string name, M& module);
  template <class T>
  Field(std::string name, std::optional<T>& part);
  template <class T>
  Field(std::string name, std::vector<T>& parts);

  const std::string& name() const { return name_; }
  const std::string& kind() const { return kind_; }    ///< empty where the module does not say
  Parameter* parameter() const { return parameter_; }  ///< null for a module
  const std::vector<Field>& children() const { return children_; }

 private:
  std::string name_;
  std::string kind_;
  Parameter* parameter_ = nullptr;
  std::vector<Field> children_;
};

class Fields {
 public:
  Fields() = default;
  /// Throws ValueError when two fields have one name, or a name is empty or holds a dot.
  Fields(std::initializer_list<Field> fields) : Fields(std::vector<Field>(fields)) {}
  explicit Fields(std::vector<Field> fields);

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  const std::vector<Field>& list() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

/// A parameter and its place in a model, such as "lstm1.recurrent".
struct NamedParameter {
  std::string name;
  Parameter* parameter;
};

/// All parameters in the order of their fields. Throws ValueError for a parameter that stands at two places.
std::vector<NamedParameter> parameters(const Fields& fields);
template <Module M>
std::vector<NamedParameter> parameters(M& model) {
  return parameters(model.fields());
}

namespace detail {

/// The fields of a module, to be read only.
template <Module M>
Fields fields_of(const M& module) {
  return const_cast<M&>(module).fields();
}

}  // namespace detail

template <Module M>
Field::Field(std::string name, M& module) : name_(std::move(name)), children_(module.fields().list()) {
  if constexpr (requires {
                  { module.kind() } -> std::convertible_to<std::string>;
                })
    kind_ = module.kind();
}

template <class T>
Field::Field(std::string name, std::optional<T>& part) : name_(std::move(name)) {
  if (!part) return;
  Field inner(name_, *part);
  *this = std::move(inner);
}

template <class T>
Field::Field(std::string name, std::vector<T>& parts) : name_(std::move(name)) {
  for (std::size_t i = 0; i < parts.size(); ++i) children_.emplace_back(std::to_string(i), parts[i]);
}

}  // namespace rill::nn
