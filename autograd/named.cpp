#include "rill/autograd/named.h"

#include <utility>

namespace rill::detail {

thread_local constinit Observer* observer = nullptr;
thread_local constinit int reading_tensors = 0;

Observing::Observing(Observer& by) : before_(std::exchange(observer, &by)) { ++reading_tensors; }
Observing::~Observing() {
  observer = before_;
  --reading_tensors;
}

}  // namespace rill::detail
