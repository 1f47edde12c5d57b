#pragma once

#include <cstdint>

#include "rill/tensor/storage.h"

namespace rill::gemm {

/// Uninitialised elements from the caching allocator, for the length of a call.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(static_cast<T*>(detail::allocate(bytes_))) {}
  ~Scratch() { detail::deallocate(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

}  // namespace rill::gemm
