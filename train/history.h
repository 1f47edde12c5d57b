#pragma once

#include <cstdint>
#include <optional>
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
  /// SIGINT, SIGTERM or SIGHUP where one of them asked training to stop. Not in the files.
  std::optional<int> stopped_by_signal = {};

  /// One metric of every epoch. Throws ValueError when an epoch lacks it.
  std::vector<double> operator[](const std::string& metric) const;

  /// {"epoch": [1, 2], "loss": [...], ...}; null where an epoch lacks a metric, and for what is not finite.
  /// Throws ValueError for a metric whose name is "epoch" or not UTF-8.
  std::string to_json() const;
  /// A heading, then a line an epoch; nothing where an epoch lacks a metric.
  std::string to_csv() const;
  /// As JSON or CSV, by the ending of the path. Throws FileError; ValueError for another ending.
  void save(const std::string& path) const;
  /// Throws what `save` would for this path, so that a program can say so before it trains. Writes nothing.
  static void check_path(const std::string& path);

  bool operator==(const History&) const = default;
};

}  // namespace rill::train
