#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "rill/autograd/parameter.h"

namespace rill {

/// The gradients of one target with respect to parameters, in the order of their first use.
class Gradients {
 public:
  struct Entry {
    std::uint64_t parameter;  ///< Parameter::id()
    Tensor value;
  };

  /// The gradient with respect to a parameter. Throws ValueError where the target did not depend on it.
  const Tensor& operator[](const Parameter& parameter) const;
  Tensor& operator[](const Parameter& parameter);
  bool contains(const Parameter& parameter) const { return places_.contains(parameter.id()); }
  /// The gradient, or null where the target did not depend on the parameter.
  const Tensor* find(const Parameter& parameter) const;

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

  /// Adds gradient by gradient, for steps over several batches. A parameter of `other` alone is taken over.
  Gradients& operator+=(const Gradients& other);
  Gradients& operator*=(double factor);

  /// Sets the gradient of the parameter with that id.
  void set(std::uint64_t parameter, Tensor value);

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::uint64_t, std::size_t> places_;
};

}  // namespace rill
