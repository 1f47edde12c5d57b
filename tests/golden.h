#pragma once

// The values of tests/golden.

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "rill/autograd/ops.h"
#include "tests/catch.h"

namespace golden {

inline nlohmann::json read(const std::string& name) {
  std::ifstream file(RILL_SOURCE_DIR "/tests/golden/" + name);
  REQUIRE(file);
  return nlohmann::json::parse(file);
}

inline rill::Tensor tensor(const nlohmann::json& json) {
  const auto shape = json.at("shape").get<std::vector<std::int64_t>>();
  const rill::Shape dims(shape.begin(), shape.end());
  if (json.at("dtype") == "int64")
    return rill::Tensor::from(json.at("data").get<std::vector<std::int64_t>>(), dims);
  return rill::Tensor::from(json.at("data").get<std::vector<double>>(), dims);
}

/// The largest difference of two tensors, relative to the largest element of the second.
inline double difference(const rill::Tensor& a, const rill::Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  if (a.count() == 0) return 0;
  return (max(abs(a - b)) / maximum(max(abs(b)), 1e-300)).item();
}

}  // namespace golden
