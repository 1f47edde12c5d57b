// load_image, on files of any kind.
#include "rill/data/image.h"

#include <zlib.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "tests/fuzz/memory_file.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

// Puts the right checksum after each chunk of a PNG; else hardly any changed file would be read further.
void correct_checksums(Bytes& bytes) {
  constexpr std::string_view signature = "\x89PNG\r\n\x1a\n";
  if (bytes.size() < signature.size() ||
      !std::equal(signature.begin(), signature.end(), bytes.begin(),
                  [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }))
    return;
  const auto number = [&](std::size_t at) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | bytes[at + i];
    return value;
  };
  constexpr std::size_t around = 12;  // length, kind and checksum
  for (std::size_t at = signature.size(); at + around <= bytes.size();) {
    const std::size_t length = number(at);
    if (length > bytes.size() - at - around) return;
    const auto checksum = crc32_z(0, bytes.data() + at + 4, length + 4);
    for (std::size_t i = 0; i < 4; ++i)
      bytes[at + 8 + length + i] = static_cast<std::uint8_t>(checksum >> (24 - 8 * i));
    at += around + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static rill::fuzz::MemoryFile file;
  Bytes bytes(data, data + size);
  correct_checksums(bytes);
  file.write(bytes);
  struct {
    std::int64_t height, width;
  } constexpr sizes[] = {{8, 8}, {5, 7}, {1, 300}};  // the first is that of the corpus
  for (const auto& [height, width] : sizes)
    rill::fuzz::may_refuse([&, h = height, w = width] {
      const rill::Tensor image = rill::data::load_image(file.path(), h, w);
      for (const float value : image.span<float>())
        if (!(value >= 0 && value <= 1)) std::abort();
    });
  return 0;
}
