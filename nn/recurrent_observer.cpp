#include "rill/nn/recurrent_observer.h"

#include "rill/tensor/per_thread.h"

namespace rill::nn {
namespace {

std::vector<RecurrentObserver*>& observers() {
  return rill::detail::PerThread<std::vector<RecurrentObserver*>>::get();
}

}  // namespace

RecurrentObserver::RecurrentObserver() { observers().push_back(this); }

RecurrentObserver::~RecurrentObserver() { std::erase(observers(), this); }

const std::vector<RecurrentObserver*>& RecurrentObserver::all() { return observers(); }

}  // namespace rill::nn
