#include "rill/autograd/place.h"

#include <algorithm>

#include "fmt/format.h"

namespace rill {

namespace detail {
thread_local constinit const Place* current_place = nullptr;
}

namespace {

std::string name_of(std::uint64_t parameter, const ParameterNames& names) {
  const auto found = names.find(parameter);
  return found == names.end() ? "" : found->second;
}

// "lstm2" of "lstm2.input.kernel" and "lstm2.recurrent".
std::string common_layer(const std::string& a, const std::string& b) {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  const auto dot = a.rfind('.', static_cast<std::size_t>(differ - a.begin()));
  return dot == std::string::npos ? "" : a.substr(0, dot);
}

}  // namespace

std::string to_string(const Place& place, const ParameterNames& names) {
  if (place.layer.empty()) return "outside of all layers";
  const std::string name = common_layer(name_of(place.first, names), name_of(place.last, names));
  std::string text = name.empty() ? place.layer : fmt::format("{} ({})", name, place.layer);
  if (place.time_step >= 0) text += fmt::format(", time step {}", place.time_step);
  return text;
}

AtPlace::AtPlace(const Place& place) : place_(place), before_(detail::current_place) {
  if (before_ && place_.time_step < 0) place_.time_step = before_->time_step;
  detail::current_place = &place_;
}

AtPlace::~AtPlace() { detail::current_place = before_; }

}  // namespace rill
