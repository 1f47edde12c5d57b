#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rill::train {

/// What training measured, epoch by epoch. Holds no times, so that equal runs have equal histories.
struct History {
  struct Epoch {
    std::int64_t number = 0;  ///< from 1
    std::vector<std::pair<std::string, double>>
        metrics;  ///< "loss", "accuracy", "val_loss", ... in that order
    bool operator==(const Epoch&) const = default;
  };
  std::vector<Epoch> epochs;

  /// One metric of every epoch. Throws ValueError when an epoch lacks it.
  std::vector<double> operator[](const std::string& metric) const;

  std::string to_json() const;  ///< {"epoch": [1, 2], "loss": [...], ...}
  std::string to_csv() const;   ///< a heading, then a line an epoch
  /// As JSON or CSV, by the ending of the path. Throws FileError; ValueError for another ending.
  void save(const std::string& path) const;

  bool operator==(const History&) const = default;
};

}  // namespace rill::train
