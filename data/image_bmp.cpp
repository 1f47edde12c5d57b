#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "fmt/format.h"
#include "rill/data/image_reader.h"
#include "rill/data/memory.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {
namespace {

constexpr std::uint32_t file_header = 14;
constexpr std::uint32_t most = 65535;  // what 8 bits and fewer are scaled to

[[noreturn]] void fail(const InputFile& file, const std::string& what) {
  throw FileError(fmt::format("{}: the BMP data {}", file.path(), what));
}

std::uint32_t little_endian(const std::uint8_t* bytes, std::uint32_t count) {
  std::uint32_t value = 0;
  for (std::uint32_t i = 0; i < count; ++i) value |= std::uint32_t{bytes[i]} << (8 * i);
  return value;
}

void read_all(InputFile& file, std::span<std::uint8_t> out) {
  if (file.read(out) < out.size()) fail(file, "ends too early");
}

// Where one colour stands in a pixel, and how it becomes a number from 0 to `most`.
struct Channel {
  std::uint32_t mask = 0;
  std::uint64_t of(std::uint32_t pixel) const {
    const int shift = std::countr_zero(mask);
    const std::uint64_t largest = mask >> shift, value = (pixel & mask) >> shift;
    return (value * most + largest / 2) / largest;
  }
};

struct Header {
  std::int64_t rows = 0, columns = 0;
  bool is_top_down = false;
  std::uint32_t bits = 0;     // of a pixel
  std::uint32_t colours = 0;  // of the palette; 0: as many as the bits can name
  std::uint32_t colour_bytes = 4;
  std::uint32_t pixels_at = 0, read = 0;  // in the file
  std::array<Channel, 4> channels;        // red, green, blue, alpha; without alpha: opaque

  bool has_palette() const { return bits <= 8; }
};

constexpr std::uint32_t uncompressed = 0, bit_fields = 3;

void set_masks(InputFile& file, Header& header, std::span<const std::uint8_t> info,
               std::uint32_t compression) {
  if (compression == uncompressed) {
    if (header.bits == 16)
      header.channels = {{{0x7c00}, {0x3e0}, {0x1f}, {0}}};
    else
      header.channels = {{{0xff0000}, {0xff00}, {0xff}, {0}}};
    return;
  }
  // After the 40 bytes that all headers share, or in a larger header, there with alpha.
  constexpr std::size_t shared = 40, three = 12;
  std::array<std::uint8_t, three> after{};
  if (info.size() == shared) {
    read_all(file, after);
    header.read += three;
  }
  const std::span<const std::uint8_t> masks = info.size() == shared ? after : info.subspan(shared);
  for (std::size_t i = 0; i < header.channels.size() && 4 * i < masks.size(); ++i) {
    const std::uint32_t mask = little_endian(masks.data() + 4 * i, 4);
    const std::uint64_t ones = mask == 0 ? 0 : mask >> std::countr_zero(mask);
    const bool is_alpha = i == 3;
    if ((ones & (ones + 1)) != 0 || (ones == 0 && !is_alpha))
      fail(file, fmt::format("is damaged: the mask {:08x} of a colour", mask));
    header.channels[i].mask = mask;
  }
}

Header read_header(InputFile& file) {
  Header header;
  std::array<std::uint8_t, file_header + 4> start{};
  read_all(file, start);
  header.pixels_at = little_endian(start.data() + 10, 4);
  const std::uint32_t size = little_endian(start.data() + file_header, 4);
  constexpr std::array<std::uint32_t, 6> sizes = {12, 40, 52, 56, 108, 124};
  if (std::find(sizes.begin(), sizes.end(), size) == sizes.end())
    fail(file, fmt::format("has a header of {} bytes; expected 12, 40, 52, 56, 108 or 124", size));
  std::array<std::uint8_t, 124> bytes{};
  const std::span<std::uint8_t> info = std::span(bytes).first(size);
  read_all(file, info.subspan(4));
  header.read = file_header + size;

  std::uint32_t compression = uncompressed;
  if (size == 12) {
    header.columns = little_endian(info.data() + 4, 2);
    header.rows = little_endian(info.data() + 6, 2);
    header.bits = little_endian(info.data() + 10, 2);
    header.colour_bytes = 3;
  } else {
    header.columns = static_cast<std::int32_t>(little_endian(info.data() + 4, 4));
    header.rows = static_cast<std::int32_t>(little_endian(info.data() + 8, 4));
    header.bits = little_endian(info.data() + 14, 2);
    compression = little_endian(info.data() + 16, 4);
    header.colours = little_endian(info.data() + 32, 4);
    header.is_top_down = header.rows < 0;
    header.rows = std::abs(header.rows);
  }
  if (header.columns < 1 || header.rows < 1)
    fail(file, fmt::format("is damaged: a picture of {} x {} pixels", header.columns, header.rows));
  constexpr std::array<std::uint32_t, 6> depths = {1, 4, 8, 16, 24, 32};
  if (std::find(depths.begin(), depths.end(), header.bits) == depths.end())
    fail(file, fmt::format("has {} bits a pixel; expected 1, 4, 8, 16, 24 or 32", header.bits));
  const bool may_have_masks = header.bits == 16 || header.bits == 32;
  if (compression != uncompressed && !(compression == bit_fields && may_have_masks))
    fail(file, fmt::format("is compressed (kind {}), which is not supported", compression));
  set_masks(file, header, info, compression);
  return header;
}

float grey_of(const Header& header, std::uint32_t pixel) {
  const auto& [red, green, blue, alpha] = header.channels;
  return grey(red.of(pixel), green.of(pixel), blue.of(pixel), alpha.mask ? alpha.of(pixel) : most, most);
}

// The palette as grey values, and the file at its first pixel.
std::vector<float> read_palette(InputFile& file, const Header& header) {
  if (header.pixels_at < header.read) fail(file, "is damaged: the pixels overlap the header");
  const std::uint32_t room = header.pixels_at - header.read;
  std::vector<float> palette;
  std::uint32_t used = 0;
  if (header.has_palette()) {
    std::uint32_t count = std::min(1U << header.bits, room / header.colour_bytes);
    if (header.colours != 0) count = std::min(count, header.colours);
    for (; palette.size() < count; used += header.colour_bytes) {
      std::array<std::uint8_t, 4> colour{};
      read_all(file, std::span(colour).first(header.colour_bytes));
      palette.push_back(grey(colour[2], colour[1], colour[0], 255, 255));
    }
  }
  for (; used < room; ++used)
    if (file.get() == EOF) fail(file, "ends too early");
  return palette;
}

}  // namespace

void read_bmp(InputFile& file, GreyImage& image) {
  const Header header = read_header(file);
  image.check_size(static_cast<std::uint64_t>(header.rows), static_cast<std::uint64_t>(header.columns));
  const std::vector<float> palette = read_palette(file, header);
  // A row is filled up to a multiple of 4 bytes.
  const std::uint64_t row_bytes = (static_cast<std::uint64_t>(header.columns) * header.bits + 31) / 32 * 4;
  const std::uint64_t needed = row_bytes * static_cast<std::uint64_t>(header.rows);
  if (file.remaining() < needed)
    fail(file, fmt::format("ends too early: {} bytes of pixels, where its size needs {}", file.remaining(),
                           needed));
  std::vector<std::uint8_t> row = make_bytes(file.path(), row_bytes);
  image.allocate();
  for (std::int64_t i = 0; i < header.rows; ++i) {
    read_all(file, row);
    float* out = image.row(header.is_top_down ? i : header.rows - 1 - i);
    for (std::int64_t x = 0; x < header.columns; ++x) {
      const auto bit = static_cast<std::size_t>(x) * header.bits;
      if (!header.has_palette()) {
        out[x] = grey_of(header, little_endian(row.data() + bit / 8, header.bits / 8));
        continue;
      }
      const std::size_t colour = row[bit / 8] >> (8 - header.bits - bit % 8) & ((1U << header.bits) - 1);
      if (colour >= palette.size())
        fail(file, fmt::format("is damaged: a pixel of colour {} of {}", colour, palette.size()));
      out[x] = palette[colour];
    }
  }
}

}  // namespace rill::data::detail
