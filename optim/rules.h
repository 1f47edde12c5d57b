#pragma once

// What each built-in optimiser adds to what they share (built_in.cpp). Not for users.

#include <cstdint>
#include <vector>

#include "rill/optim/adagrad.h"
#include "rill/optim/adam.h"
#include "rill/optim/rmsprop.h"
#include "rill/optim/sgd.h"
#include "rill/optim/state.h"
#include "rill/tensor/kernels/optimizer.h"

namespace rill::optim::detail {

/// For one kind of options:
///   name                              what errors and State::rule say
///   check(options)                    throws ValueError for numbers outside of their domain
///   override_by(options, overrides)   sets what a group sets
///   slots(options)                    at most three, in the order of the kernel's; an empty name: not there
///   factors(options, rate, updates)   what the kernel needs at a parameter's update number `updates`, from 1
template <class Options>
struct Rule;

template <>
struct Rule<SGDOptions> {
  static constexpr const char* name = "sgd";
  static void check(const SGDOptions& options);
  static void override_by(SGDOptions& options, const SGDOverrides& overrides);
  static std::vector<Slot> slots(const SGDOptions& options);
  static kernels::SgdFactors factors(const SGDOptions& options, double rate, std::int64_t updates);
};
template <>
struct Rule<AdamOptions> {
  static constexpr const char* name = "adam";
  static void check(const AdamOptions& options);
  static void override_by(AdamOptions& options, const AdamOverrides& overrides);
  static std::vector<Slot> slots(const AdamOptions& options);
  static kernels::AdamFactors factors(const AdamOptions& options, double rate, std::int64_t updates);
};
template <>
struct Rule<AdamWOptions> {
  static constexpr const char* name = "adamw";
  static void check(const AdamWOptions& options);
  static void override_by(AdamWOptions& options, const AdamWOverrides& overrides);
  static std::vector<Slot> slots(const AdamWOptions& options);
  static kernels::AdamFactors factors(const AdamWOptions& options, double rate, std::int64_t updates);
};
template <>
struct Rule<RMSpropOptions> {
  static constexpr const char* name = "rmsprop";
  static void check(const RMSpropOptions& options);
  static void override_by(RMSpropOptions& options, const RMSpropOverrides& overrides);
  static std::vector<Slot> slots(const RMSpropOptions& options);
  static kernels::RmsPropFactors factors(const RMSpropOptions& options, double rate, std::int64_t updates);
};
template <>
struct Rule<AdagradOptions> {
  static constexpr const char* name = "adagrad";
  static void check(const AdagradOptions& options);
  static void override_by(AdagradOptions& options, const AdagradOverrides& overrides);
  static std::vector<Slot> slots(const AdagradOptions& options);
  static kernels::AdagradFactors factors(const AdagradOptions& options, double rate, std::int64_t updates);
};

}  // namespace rill::optim::detail
