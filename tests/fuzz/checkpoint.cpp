// read_checkpoint, on files of any kind, and on files whose content is anything and whose checksum is right.
#include "rill/train/checkpoint.h"

#include <zlib.h>

#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "tests/fuzz/memory_file.h"

namespace {

using Json = nlohmann::ordered_json;

void read(const std::string& path) {
  rill::fuzz::may_refuse([&] { rill::train::read_checkpoint(path); });
}

// Whether the text is JSON that is not too deep to be parsed and written here.
bool is_shallow_json(const std::string& text) {
  int depth = 0;
  for (const char c : text) {
    if ((c == '[' || c == '{') && ++depth > 50) return false;
    if (c == ']' || c == '}') --depth;
  }
  return Json::accept(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static rill::fuzz::MemoryFile file;
  file.write({data, size});
  read(file.path());

  const std::string text(reinterpret_cast<const char*>(data), size);
  if (!is_shallow_json(text)) return 0;
  Json json = Json::parse(text);
  if (!json.is_object() || !json.contains("content")) return 0;
  const std::string content = json["content"].dump(-1, ' ', false, Json::error_handler_t::replace);
  json["checksum"] =
      fmt::format("crc32:{:08x}", crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
  const std::string corrected = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  file.write({reinterpret_cast<const std::uint8_t*>(corrected.data()), corrected.size()});
  read(file.path());
  return 0;
}
