#include <vector>

#include "fmt/format.h"
#include "rill/data/image_reader.h"
#include "rill/data/memory.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {
namespace {

[[noreturn]] void fail(const InputFile& file, const std::string& what) {
  throw FileError(fmt::format("{}: {}", file.path(), what));
}

// The next byte of the text, in which a comment goes from a # to the end of its line.
int get_text(InputFile& file) {
  int byte = file.get();
  if (byte == '#')
    while (byte != '\n' && byte != '\r' && byte != EOF) byte = file.get();
  return byte;
}

bool is_blank(int byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }
bool is_digit(int byte) { return byte >= '0' && byte <= '9'; }

// A number from `least` to `most`, and the byte after it, which must be blank unless the file ends.
std::uint32_t read_number(InputFile& file, const char* what, std::uint32_t least, std::uint32_t most) {
  int byte = get_text(file);
  while (is_blank(byte)) byte = get_text(file);
  if (byte == EOF) fail(file, fmt::format("the PGM data ends too early: {} is missing", what));
  bool fits = is_digit(byte);
  std::uint64_t number = 0;
  for (; fits && is_digit(byte); byte = get_text(file)) {
    number = 10 * number + static_cast<std::uint64_t>(byte - '0');
    fits = number <= most;
  }
  if (!fits || number < least || (byte != EOF && !is_blank(byte)))
    fail(file, fmt::format("the PGM data is damaged: {} is not a number from {} to {}", what, least, most));
  return static_cast<std::uint32_t>(number);
}

void check_remaining(const InputFile& file, std::uint64_t least) {
  if (file.remaining() < least)
    fail(file, fmt::format("the PGM data ends too early: {} bytes of pixels, where its size needs {}",
                           file.remaining(), least));
}

float scaled(const InputFile& file, std::uint32_t value, std::uint32_t most) {
  if (value > most)
    fail(file,
         fmt::format("the PGM data is damaged: a pixel of {}, above its largest value {}", value, most));
  return grey(value, value, value, most, most);
}

void read_binary(InputFile& file, GreyImage& image, std::uint32_t most) {
  const std::size_t width = static_cast<std::size_t>(image.width()), sample_bytes = most > 255 ? 2 : 1;
  check_remaining(file, width * sample_bytes * static_cast<std::uint64_t>(image.height()));
  std::vector<std::uint8_t> row = make_bytes(file.path(), width * sample_bytes);
  image.allocate();
  for (std::int64_t y = 0; y < image.height(); ++y) {
    if (file.read(row) < row.size()) fail(file, "the PGM data ends too early");
    float* out = image.row(y);
    for (std::size_t x = 0; x < width; ++x)
      out[x] =
          scaled(file, sample_bytes == 1 ? row[x] : std::uint32_t{row[2 * x]} << 8 | row[2 * x + 1], most);
  }
}

void read_text(InputFile& file, GreyImage& image, std::uint32_t most) {
  const auto pixels = static_cast<std::uint64_t>(image.height() * image.width());
  check_remaining(file, 2 * pixels - 1);  // a digit each, and a blank between two
  image.allocate();
  float* out = image.row(0);
  for (std::uint64_t i = 0; i < pixels; ++i)
    out[i] = scaled(file, read_number(file, "a pixel", 0, most), most);
}

}  // namespace

void read_pgm(InputFile& file, GreyImage& image) {
  constexpr std::uint32_t largest_side = 1U << 31, largest_value = 65535;
  file.get();  // P
  const bool is_text = file.get() == '2';
  if (!is_blank(get_text(file)))
    fail(file, "the PGM data is damaged: a blank is missing after its first two bytes");
  const std::uint32_t columns = read_number(file, "the width", 1, largest_side);
  const std::uint32_t rows = read_number(file, "the height", 1, largest_side);
  image.check_size(rows, columns);
  const std::uint32_t most = read_number(file, "the largest value", 1, largest_value);
  is_text ? read_text(file, image, most) : read_binary(file, image, most);
}

}  // namespace rill::data::detail
