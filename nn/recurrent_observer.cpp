#include "rill/nn/recurrent_observer.h"

namespace rill::nn {
namespace {

std::vector<RecurrentObserver*>& observers() {
  static thread_local std::vector<RecurrentObserver*> list;
  return list;
}

}  // namespace

RecurrentObserver::RecurrentObserver() { observers().push_back(this); }

RecurrentObserver::~RecurrentObserver() { std::erase(observers(), this); }

const std::vector<RecurrentObserver*>& RecurrentObserver::all() { return observers(); }

}  // namespace rill::nn
