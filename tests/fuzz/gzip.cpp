// GzipReader, on files of any kind.
#include "rill/data/gzip.h"

#include <array>

#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static rill::fuzz::MemoryFile file;
  file.write({data, size});
  rill::fuzz::may_refuse([] {
    rill::data::detail::InputFile input(file.path());
    rill::data::detail::GzipReader reader(input);
    std::array<std::uint8_t, 1000> piece;
    while (reader.read(piece) == piece.size()) {
    }
  });
  return 0;
}
