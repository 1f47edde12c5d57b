#pragma once

#include <pthread.h>

#include "rill/tensor/error.h"

namespace rill::detail {

/// One T for each thread that asks for it. A thread's lives until the thread_local objects are gone, and if
/// it is asked for after that, until the next one is; the main thread's lives for ever. So destructors of
/// thread_local and static objects, and what `atexit` calls, may do what needs it.
template <class T>
class PerThread {
 public:
  static T& get() {
    if (!object_) [[unlikely]]
      create();
    return *object_;
  }

 private:
  static void create() {
    static const pthread_key_t key = make_key();
    object_ = new T;
    pthread_setspecific(key, object_);
  }
  static pthread_key_t make_key() {
    pthread_key_t key;
    const auto end = [](void* object) {
      object_ = nullptr;
      delete static_cast<T*>(object);
    };
    if (pthread_key_create(&key, end) != 0)
      throw Error("the system gives no more keys for thread-specific data");
    return key;
  }

  static inline thread_local constinit T* object_ = nullptr;
};

}  // namespace rill::detail
