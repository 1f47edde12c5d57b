#pragma once

#include <dlfcn.h>

namespace rill::gemm {

/// oneDNN is commonly built on OpenMP, whose threads would spin beside Rill's own. While this lives, OpenMP
/// gives this
// thread no others; so a product runs where it is called, and oneDNN chooses its blocks as for one thread,
// however many
/// there are. The functions are looked up because which OpenMP oneDNN brings along is not known here.
class WithoutOpenMP {
 public:
  WithoutOpenMP() : before_(library().get ? library().get() : 1) {
    if (before_ != 1) library().set(1);
  }
  ~WithoutOpenMP() {
    if (before_ != 1) library().set(before_);
  }
  WithoutOpenMP(const WithoutOpenMP&) = delete;
  WithoutOpenMP& operator=(const WithoutOpenMP&) = delete;

 private:
  struct Library {
    int (*get)() = nullptr;
    void (*set)(int) = nullptr;
    Library() {
      auto* getter = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
      auto* setter = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
      if (getter && setter) {
        get = getter;
        set = setter;
      }
    }
  };
  static const Library& library() {
    static const Library found;
    return found;
  }

  int before_;
};

}  // namespace rill::gemm
