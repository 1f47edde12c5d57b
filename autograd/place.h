#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace rill {

/// The names of parameters in a model, by Parameter::id(); `nn::names(model)` gives them.
using ParameterNames = std::map<std::uint64_t, std::string>;

/// Where in a model an operation was called, which the layers of rill/nn say.
struct Place {
  std::string layer = {};             ///< its kind, such as "LSTM, layer 2 of 3"; empty outside of all layers
  std::uint64_t first = 0, last = 0;  ///< Parameter::id() of the layer's first and last parameter; 0 for none
  std::int64_t time_step = -1;        ///< from 0; -1 outside of a sequence

  bool operator==(const Place&) const = default;
};

/// "lstm2 (LSTM), time step 17": with the name that the layer's parameters share, where names has them.
std::string to_string(const Place& place, const ParameterNames& names = {});

/// Makes a place the current one of this thread for the length of a scope. Within a time step, another
/// layer's place keeps the step.
class AtPlace {
 public:
  explicit AtPlace(const Place& place);
  ~AtPlace();
  AtPlace(const AtPlace&) = delete;
  AtPlace& operator=(const AtPlace&) = delete;

 private:
  Place place_;
  const Place* before_;
};

namespace detail {
/// Null outside of all layers.
extern thread_local constinit const Place* current_place;
}  // namespace detail

}  // namespace rill
