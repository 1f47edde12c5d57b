// read_idx, on files of any kind.
#include "rill/data/idx.h"

#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static rill::fuzz::MemoryFile file;
  file.write({data, size});
  for (const int rank : {0, 1, 3})
    rill::fuzz::may_refuse([rank] {
      const rill::data::Idx idx = rill::data::read_idx(file.path(), rank);
      if (static_cast<std::int64_t>(idx.bytes.size()) != rill::count(idx.shape)) std::abort();
    });
  return 0;
}
