#include "rill/data/image.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>

#include <jpeglib.h>

#include "rill/tensor/create.h"
#include "tests/catch.h"
#include "tests/data/files.h"

namespace {

using namespace rill;
using Catch::Matchers::WithinAbs;
using tests::Bytes;
using tests::Folder;
using tests::message;
using Values = std::vector<float>;

Bytes text(std::string_view characters) { return {characters.begin(), characters.end()}; }

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Bytes little_endian(std::uint32_t value, int bytes = 4) {
  Bytes out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return out;
}

Bytes big_endian(std::uint32_t value) {
  const Bytes little = little_endian(value);
  return {little.rbegin(), little.rend()};
}

// A PNG. Each row of `rows` begins with its filter, 0 for none.
enum PngColour : std::uint8_t {
  png_grey = 0,
  png_rgb = 2,
  png_palette = 3,
  png_grey_alpha = 4,
  png_rgba = 6
};

Bytes png_chunk(std::string_view kind, const Bytes& content) {
  const Bytes named = text(kind) + content;
  return big_endian(static_cast<std::uint32_t>(content.size())) + named +
         big_endian(static_cast<std::uint32_t>(crc32(0, named.data(), static_cast<uInt>(named.size()))));
}

Bytes png(std::uint32_t width, std::uint32_t height, std::uint8_t depth, PngColour colour, const Bytes& rows,
          const Bytes& chunks = {}, bool interlaced = false) {
  uLongf size = compressBound(rows.size());
  Bytes packed(size);
  compress(packed.data(), &size, rows.data(), rows.size());
  packed.resize(size);
  const Bytes header = big_endian(width) + big_endian(height) +
                       Bytes{depth, colour, 0, 0, static_cast<std::uint8_t>(interlaced)};
  return text("\x89PNG\r\n\x1a\n") + png_chunk("IHDR", header) + chunks + png_chunk("IDAT", packed) +
         png_chunk("IEND", {});
}

// A BMP whose header of `info.size()` + 4 bytes is followed by `between` (masks, palette) and the pixels.
Bytes bmp(const Bytes& info, const Bytes& between, const Bytes& pixels) {
  const Bytes after = little_endian(static_cast<std::uint32_t>(info.size() + 4)) + info + between;
  return text("BM") + little_endian(static_cast<std::uint32_t>(14 + after.size() + pixels.size())) +
         little_endian(0) + little_endian(static_cast<std::uint32_t>(14 + after.size())) + after + pixels;
}

Bytes bmp_info(std::int32_t width, std::int32_t height, std::uint32_t bits, std::uint32_t compression = 0,
               std::uint32_t colours = 0) {
  return little_endian(static_cast<std::uint32_t>(width)) +
         little_endian(static_cast<std::uint32_t>(height)) + little_endian(1, 2) + little_endian(bits, 2) +
         little_endian(compression) + Bytes(12) + little_endian(colours) + Bytes(4);
}

// A JPEG of one colour. `set` may change the encoder's settings.
Bytes jpeg(J_COLOR_SPACE space, const Bytes& pixel, JDIMENSION width = 8, JDIMENSION height = 8,
           const std::function<void(jpeg_compress_struct&)>& set = {}) {
  jpeg_compress_struct encoder{};
  jpeg_error_mgr errors{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&encoder, &data, &size);
  encoder.image_width = width;
  encoder.image_height = height;
  encoder.input_components = static_cast<int>(pixel.size());
  encoder.in_color_space = space;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, 100, TRUE);
  if (set) set(encoder);
  jpeg_start_compress(&encoder, TRUE);
  Bytes row;
  for (JDIMENSION x = 0; x < width; ++x) row.insert(row.end(), pixel.begin(), pixel.end());
  for (JDIMENSION y = 0; y < height; ++y) {
    JSAMPROW rows[] = {row.data()};
    jpeg_write_scanlines(&encoder, rows, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  Bytes out(data, data + size);
  std::free(data);
  return out;
}

Values loaded(const Bytes& bytes, std::int64_t height, std::int64_t width,
              const std::string& name = "picture") {
  const Folder folder;
  const Tensor image = data::load_image(folder.write(name, bytes), height, width);
  CHECK(image.shape() == Shape{height, width});
  return image.to_vector<float>();
}

std::string refusal(const Bytes& bytes, std::int64_t height = 1, std::int64_t width = 2,
                    const data::ImageOptions& options = {}) {
  const Folder folder;
  const std::string file = folder.write("picture", bytes);
  return folder.shortened(message([&] { data::load_image(file, height, width, options); }));
}

constexpr float fifth = 51.0F / 255;

}  // namespace

TEST_CASE("the largest value of a PGM is 1, whatever it is", "[data][image]") {
  CHECK(loaded(text("P5 2 1 255\n") + Bytes{51, 255}, 1, 2) == Values{fifth, 1});
  CHECK(loaded(text("P5 2 1 15\n") + Bytes{15, 3}, 1, 2) == Values{1, 0.2F});
  CHECK(loaded(text("P5 2 1 65535\n") + Bytes{0, 255, 255, 255}, 1, 2) == Values{255.0F / 65535, 1});
  CHECK(loaded(text("P5 2 1 256\n") + Bytes{1, 0, 0, 64}, 1, 2) == Values{1, 0.25F});
  CHECK(loaded(text("P2 2 1 65535\n255 65535"), 1, 2) == Values{255.0F / 65535, 1});
}

TEST_CASE("a PGM may have comments, any blanks, and numbers as text", "[data][image]") {
  CHECK(loaded(text("P5\n# made by hand\n2# columns\n #rows:\n1\t255\n") + Bytes{'#', '\n'}, 1, 2) ==
        Values{35.0F / 255, 10.0F / 255});
  CHECK(loaded(text("P2\r\n3 1\r\n5\r\n0 # black\r\n 1\t5\r\n"), 1, 3) == Values{0, 0.2F, 1});
}

TEST_CASE("grey PNGs of 1, 2, 4, 8 and 16 bits", "[data][image]") {
  CHECK(loaded(png(8, 1, 1, png_grey, {0, 0b10010110}), 1, 8) == Values{1, 0, 0, 1, 0, 1, 1, 0});
  CHECK(loaded(png(4, 1, 2, png_grey, {0, 0b00011011}), 1, 4) == Values{0, 85.0F / 255, 170.0F / 255, 1});
  CHECK(loaded(png(2, 1, 4, png_grey, {0, 0x3f}), 1, 2) == Values{fifth, 1});
  CHECK(loaded(png(2, 2, 8, png_grey, {0, 0, 51, 0, 102, 255}), 2, 2) == Values{0, fifth, 102.0F / 255, 1});
  CHECK(loaded(png(2, 1, 16, png_grey, {0, 0, 255, 255, 255}), 1, 2) == Values{255.0F / 65535, 1});
}

TEST_CASE("an interlaced PNG", "[data][image]") {
  // Of two columns and rows the passes 1, 6 and 7 have pixels.
  CHECK(loaded(png(2, 2, 8, png_grey, {0, 0, 0, 51, 0, 102, 255}, {}, true), 2, 2) ==
        Values{0, fifth, 102.0F / 255, 1});
}

TEST_CASE("colours become grey by their weights", "[data][image]") {
  const Values weights{0.299F, 0.587F, 0.114F};
  CHECK(loaded(png(3, 1, 8, png_rgb, {0, 255, 0, 0, 0, 255, 0, 0, 0, 255}), 1, 3) == weights);
  const Bytes palette = png_chunk("PLTE", {0, 0, 255, 0, 255, 0, 255, 0, 0});
  CHECK(loaded(png(3, 1, 8, png_palette, {0, 2, 1, 0}, palette), 1, 3) == weights);
  CHECK(loaded(bmp(bmp_info(3, 1, 24), {}, {0, 0, 255, 0, 255, 0, 255, 0, 0, 0, 0, 0}), 1, 3) == weights);
}

TEST_CASE("what is transparent is laid over white", "[data][image]") {
  // Black ink, black ink at a fifth, and a ground of transparent black.
  const Values ink{0, 0.8F, 1};
  CHECK(loaded(png(3, 1, 8, png_grey_alpha, {0, 0, 255, 0, 51, 0, 0}), 1, 3) == ink);
  CHECK(loaded(png(3, 1, 8, png_rgba, {0, 0, 0, 0, 255, 0, 0, 0, 51, 0, 0, 0, 0}), 1, 3) == ink);
  CHECK(loaded(png(3, 1, 16, png_grey_alpha, {0, 0, 0, 255, 255, 0, 0, 51, 51, 0, 0, 0, 0}), 1, 3) == ink);
  const Bytes palette = png_chunk("PLTE", Bytes(9)) + png_chunk("tRNS", {255, 51, 0});
  CHECK(loaded(png(3, 1, 8, png_palette, {0, 0, 1, 2}, palette), 1, 3) == ink);
  CHECK(loaded(png(2, 1, 8, png_grey, {0, 1, 0}, png_chunk("tRNS", {0, 0})), 1, 2) == Values{1.0F / 255, 1});
  const Bytes masks = little_endian(0xff) + little_endian(0xff00) + little_endian(0xff0000) +
                      little_endian(0xff000000) + Bytes(52);
  CHECK(loaded(bmp(bmp_info(3, 1, 32, 3) + masks, {}, {0, 0, 0, 255, 0, 0, 0, 51, 0, 0, 0, 0}), 1, 3) == ink);
}

TEST_CASE("BMPs of every depth", "[data][image]") {
  const Bytes two_colours{255, 255, 255, 0, 0, 0, 0, 0};
  CHECK(loaded(bmp(bmp_info(9, 1, 1), two_colours, {0b01101001, 0, 0, 0}), 1, 9) ==
        Values{1, 0, 0, 1, 0, 1, 1, 0, 1});
  CHECK(loaded(bmp(bmp_info(3, 1, 4, 0, 2), two_colours, {0x01, 0x10, 0, 0}), 1, 3) == Values{1, 0, 0});
  CHECK(loaded(bmp(bmp_info(2, 1, 8, 0, 2), two_colours, {1, 0, 0, 0}), 1, 2) == Values{0, 1});
  CHECK(loaded(bmp(bmp_info(2, 1, 16), {}, {0xff, 0x7f, 0, 0x80}), 1, 2) == Values{1, 0});
  const Bytes masks565 = little_endian(0xf800) + little_endian(0x7e0) + little_endian(0x1f);
  CHECK(loaded(bmp(bmp_info(2, 1, 16, 3), masks565, {0xff, 0xff, 0xe0, 0x07}), 1, 2) == Values{1, 0.587F});
  // The fourth byte of a pixel means nothing here.
  CHECK(loaded(bmp(bmp_info(2, 1, 32), {}, {51, 51, 51, 0, 255, 255, 255, 7}), 1, 2) == Values{fifth, 1});
  const Bytes oldest = little_endian(2, 2) + little_endian(1, 2) + little_endian(1, 2) + little_endian(1, 2);
  CHECK(loaded(bmp(oldest, {255, 255, 255, 0, 0, 0}, {0b01000000, 0, 0, 0}), 1, 2) == Values{1, 0});
}

TEST_CASE("the rows of a BMP go up, or down where its height is negative", "[data][image]") {
  const Bytes rows{0, 0, 0, 0, 255, 255, 255, 0};
  CHECK(loaded(bmp(bmp_info(1, 2, 24), {}, rows), 2, 1) == Values{1, 0});
  CHECK(loaded(bmp(bmp_info(1, -2, 24), {}, rows), 2, 1) == Values{0, 1});
}

TEST_CASE("grey, colour, progressive and CMYK JPEGs", "[data][image]") {
  const auto first = [](const Bytes& bytes) { return loaded(bytes, 8, 8).front(); };
  const auto progressive = [](jpeg_compress_struct& encoder) { jpeg_simple_progression(&encoder); };
  const auto keep_rgb = [](jpeg_compress_struct& encoder) { jpeg_set_colorspace(&encoder, JCS_RGB); };
  const auto ycck = [](jpeg_compress_struct& encoder) { jpeg_set_colorspace(&encoder, JCS_YCCK); };
  constexpr double near = 1.0 / 255;
  CHECK_THAT(first(jpeg(JCS_GRAYSCALE, {51})), WithinAbs(0.2, near));
  CHECK_THAT(first(jpeg(JCS_RGB, {255, 0, 0})), WithinAbs(0.299, near));
  CHECK_THAT(first(jpeg(JCS_RGB, {0, 255, 0}, 8, 8, progressive)), WithinAbs(0.587, near));
  CHECK_THAT(first(jpeg(JCS_RGB, {0, 255, 0}, 8, 8, keep_rgb)), WithinAbs(0.587, near));
  // libjpeg writes CMYK as programs do that say so: 255 is no ink.
  CHECK_THAT(first(jpeg(JCS_CMYK, {255, 255, 255, 255})), WithinAbs(1, near));
  CHECK_THAT(first(jpeg(JCS_CMYK, {0, 255, 255, 255})), WithinAbs(0.701, near));
  CHECK_THAT(first(jpeg(JCS_CMYK, {255, 255, 255, 51}, 8, 8, ycck)), WithinAbs(0.2, near));
  // Without the note 255 is all ink.
  const auto unsaid = [](jpeg_compress_struct& encoder) { encoder.write_Adobe_marker = FALSE; };
  CHECK_THAT(first(jpeg(JCS_CMYK, {0, 0, 0, 51}, 8, 8, unsaid)), WithinAbs(0.8, near));
}

TEST_CASE("bytes between the parts of a JPEG, which cameras write, are passed over", "[data][image]") {
  const Bytes plain = jpeg(JCS_RGB, {255, 0, 0});
  Bytes padded = plain;
  const Bytes between{1, 2};
  padded.insert(padded.end() - 2, between.begin(), between.end());
  CHECK(loaded(padded, 8, 8) == loaded(plain, 8, 8));
}

TEST_CASE("the first bytes say what a picture is, not the name", "[data][image]") {
  CHECK(loaded(png(2, 1, 8, png_grey, {0, 51, 255}), 1, 2, "picture.jpg") == Values{fifth, 1});
  CHECK(loaded(text("P5 2 1 255\n") + Bytes{51, 255}, 1, 2, "picture.png") == Values{fifth, 1});
}

TEST_CASE("what is not one of the four formats is refused", "[data][image]") {
  const std::string sentence = "picture: the file is not a PNG, JPEG, BMP or PGM picture";
  const Bytes pic = Bytes{0x53, 0x80, 0xf6, 0x34} + Bytes(84) + text("PICT") + Bytes(5);
  CHECK(refusal(pic) == sentence);
  CHECK(refusal(text("GIF89a\xff\xff\xff\xff") + Bytes(1)) == sentence);
  const Bytes tga{0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x46, 0x50, 0x46, 32, 8};
  CHECK(refusal(tga + Bytes(17)) == sentence);
  CHECK(refusal(text("P6 1 1 255\n") + Bytes(3)) == sentence);
  CHECK(refusal(text("8BPS") + Bytes(30)) == sentence);
  CHECK(refusal(text("#?RADIANCE\n")) == sentence);
  CHECK(refusal({0xff, 0xd8}) == sentence);
  CHECK(refusal(text("hello")) == sentence);
  CHECK(refusal({}) == "picture: an empty file is not a PNG, JPEG, BMP or PGM picture");
}

TEST_CASE("a folder, a pipe, a device and a missing file are refused as pictures", "[data][image]") {
  const Folder folder;
  const auto loading = [](const std::string& path) { return message([&] { data::load_image(path, 1, 1); }); };
  const std::string path = folder.path.string(), pipe = path + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(loading(path) == path + ": a folder, where a file was expected");
  CHECK(loading(pipe) == pipe + ": a pipe, a socket or a device, where a file was expected");
  CHECK(loading("/dev/zero") == "/dev/zero: a pipe, a socket or a device, where a file was expected");
  CHECK(loading(path + "/nothing") == path + "/nothing: cannot be opened: No such file or directory");
}

TEST_CASE("a picture of another size is refused with how to change it", "[data][image]") {
  CHECK(refusal(png(2, 1, 8, png_grey, {0, 51, 255}), 28, 28) ==
        "picture: the picture is 2 x 1 pixels; expected 28 x 28 (ImageMagick: convert " +
            (Folder().path / "picture").string() + " -resize 28x28! out.png)");
}

TEST_CASE("a picture of more pixels than the limit is refused, a limit that the caller may raise",
          "[data][image]") {
  const Bytes small = png(2, 1, 8, png_grey, {0, 51, 255});
  CHECK(refusal(small, 1, 2, {.max_pixels = 1}) ==
        "picture: the picture is 2 x 1 pixels, more than ImageOptions::max_pixels = 1");
  CHECK(refusal(small, 1, 2, {.max_pixels = 2}) == "no FileError");
  const auto beyond = [](const Bytes& bytes) {
    return refusal(bytes, 65000, 65000) ==
           "picture: the picture is 65000 x 65000 pixels, more than ImageOptions::max_pixels = 67108864";
  };
  CHECK(beyond(png(65000, 65000, 8, png_rgba, Bytes(1000))));
  CHECK(beyond(text("P5 65000 65000 255\n")));
  CHECK(beyond(bmp(bmp_info(65000, 65000, 32), {}, {})));
  Bytes large_jpeg = jpeg(JCS_RGB, {0, 0, 0});
  const Bytes frame{0xff, 0xc0, 0, 17, 8};  // followed by height and width
  auto at = std::search(large_jpeg.begin(), large_jpeg.end(), frame.begin(), frame.end());
  REQUIRE(at != large_jpeg.end());
  for (int i = 5; i < 9; i += 2) at[i] = 65000 >> 8, at[i + 1] = 65000 & 255;
  CHECK(beyond(large_jpeg));
}

TEST_CASE("a picture without its pixels is refused before memory is taken for them", "[data][image]") {
  const std::int64_t before = memory_statistics().in_use;
  CHECK(refusal(text("P5 8000 8000 255\n") + Bytes(5), 8000, 8000) ==
        "picture: the PGM data ends too early: 5 bytes of pixels, where its size needs 64000000");
  CHECK(refusal(text("P5 8000 8000 256\n"), 8000, 8000) ==
        "picture: the PGM data ends too early: 0 bytes of pixels, where its size needs 128000000");
  CHECK(refusal(text("P2 8000 8000 255\n0"), 8000, 8000) ==
        "picture: the PGM data ends too early: 1 bytes of pixels, where its size needs 127999999");
  CHECK(refusal(bmp(bmp_info(8000, 8000, 24), {}, {}), 8000, 8000) ==
        "picture: the BMP data ends too early: 0 bytes of pixels, where its size needs 192000000");
  CHECK(memory_statistics().in_use == before);
}

TEST_CASE("every picture that ends too early is refused", "[data][image]") {
  const auto scans = [](jpeg_compress_struct& encoder) { jpeg_simple_progression(&encoder); };
  const std::vector<Bytes> pictures = {
      png(8, 8, 8, png_grey, Bytes(72)),
      png(8, 8, 8, png_palette, Bytes(72), png_chunk("PLTE", {1, 2, 3}) + png_chunk("tRNS", {4})),
      text("P5\n8 8 255\n") + Bytes(64),
      bmp(bmp_info(8, 8, 24), {}, Bytes(192)),
      bmp(bmp_info(8, 8, 8), {0, 0, 0, 0}, Bytes(64)),
      jpeg(JCS_RGB, {255, 0, 0}),
      jpeg(JCS_RGB, {255, 0, 0}, 8, 8, scans),
  };
  const Folder folder;
  for (const Bytes& whole : pictures) {
    CHECK(refusal(whole, 8, 8) == "no FileError");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size, whole.size());
      const std::string file = folder.write("cut", Bytes(whole.begin(), whole.begin() + size));
      CHECK(message([&] { data::load_image(file, 8, 8); }) != "no FileError");
    }
  }
}

TEST_CASE("damaged pictures are refused with what is wrong", "[data][image]") {
  CHECK(refusal(text("P5 2 1 15\n") + Bytes{16, 0}) ==
        "picture: the PGM data is damaged: a pixel of 16, above its largest value 15");
  CHECK(refusal(text("P5 2 1 65536\n") + Bytes(4)) ==
        "picture: the PGM data is damaged: the largest value is not a number from 1 to 65535");
  CHECK(refusal(text("P5 2 1 0\n") + Bytes(4)) ==
        "picture: the PGM data is damaged: the largest value is not a number from 1 to 65535");
  CHECK(refusal(text("P5 -2 1 255\n") + Bytes(4)) ==
        "picture: the PGM data is damaged: the width is not a number from 1 to 2147483648");
  CHECK(refusal(text("P5 99999999999999999999 1 255\n")) ==
        "picture: the PGM data is damaged: the width is not a number from 1 to 2147483648");
  CHECK(refusal(text("P2 2 1 255\n1 x")) ==
        "picture: the PGM data is damaged: a pixel is not a number from 0 to 255");
  CHECK(refusal(text("P2 2 1 255\n1    ")) == "picture: the PGM data ends too early: a pixel is missing");
  CHECK(refusal(text("P52 1 255\n") + Bytes(2)) ==
        "picture: the PGM data is damaged: a blank is missing after its first two bytes");

  const Bytes white{255, 255, 255, 0};
  CHECK(refusal(bmp(bmp_info(2, 1, 8), white, {0, 1, 0, 0})) ==
        "picture: the BMP data is damaged: a pixel of colour 1 of 1");
  CHECK(refusal(bmp(bmp_info(2, 0, 24), {}, {})) ==
        "picture: the BMP data is damaged: a picture of 2 x 0 pixels");
  CHECK(refusal(bmp(bmp_info(2, 1, 7), {}, {})) ==
        "picture: the BMP data has 7 bits a pixel; expected 1, 4, 8, 16, 24 or 32");
  CHECK(refusal(bmp(bmp_info(2, 1, 8, 1), white, {})) ==
        "picture: the BMP data is compressed (kind 1), which is not supported");
  CHECK(refusal(bmp(bmp_info(2, 1, 16, 3), little_endian(0xf00f) + Bytes(8), Bytes(4))) ==
        "picture: the BMP data is damaged: the mask 0000f00f of a colour");
  CHECK(refusal(bmp(Bytes(96), {}, {})) ==
        "picture: the BMP data has a header of 100 bytes; expected 12, 40, 52, 56, 108 or 124");
  Bytes overlapping = bmp(bmp_info(2, 1, 24), {}, Bytes(8));
  overlapping[10] = 20;
  CHECK(refusal(overlapping) == "picture: the BMP data is damaged: the pixels overlap the header");

  Bytes wrong_checksum = png(2, 1, 8, png_grey, {0, 51, 255});
  wrong_checksum[wrong_checksum.size() - 13] ^= 1;  // of the pixels
  CHECK(refusal(wrong_checksum) == "picture: the PNG data is damaged: IDAT: CRC error");
  CHECK(refusal(png(2, 1, 8, png_grey, {0, 51})) ==
        "picture: the PNG data is damaged: Not enough image data");
  CHECK(refusal(png(2, 1, 8, png_palette, {0, 0, 0})).starts_with("picture: the PNG data is damaged: "));

  Bytes no_table = jpeg(JCS_GRAYSCALE, {51}, 2, 1);
  const Bytes table{0xff, 0xdb};
  *(std::search(no_table.begin(), no_table.end(), table.begin(), table.end()) + 1) = 0xfe;  // a comment
  CHECK(refusal(no_table) == "picture: the JPEG data is damaged: Quantization table 0x00 was not defined");
  Bytes cut = jpeg(JCS_GRAYSCALE, {51}, 2, 1);
  cut.resize(cut.size() - 2);
  CHECK(refusal(cut) == "picture: the JPEG data is damaged: Premature end of JPEG file");
}

TEST_CASE("a JPEG of very many scans is refused", "[data][image]") {
  const jpeg_scan_info scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
  Bytes many = jpeg(JCS_GRAYSCALE, {51}, 8, 8, [&](jpeg_compress_struct& encoder) {
    encoder.scan_info = scans;
    encoder.num_scans = 2;
  });
  // The last scan, again and again.
  const Bytes start_of_scan{0xff, 0xda}, end_of_image{0xff, 0xd9};
  const auto last = std::find_end(many.begin(), many.end(), start_of_scan.begin(), start_of_scan.end());
  const Bytes scan(last, many.end() - 2);
  many.resize(many.size() - 2);
  for (int i = 0; i < 1000; ++i) many = many + scan;
  CHECK(refusal(many + end_of_image, 8, 8) == "picture: the JPEG data has too many scans");
}

TEST_CASE("sizes below 1 are refused", "[data][image]") {
  CHECK_THROWS_WITH(data::load_image("picture", 0, 1), "load_image: a height of 0; expected at least 1");
  CHECK_THROWS_WITH(data::load_image("picture", 1, -1), "load_image: a width of -1; expected at least 1");
  CHECK_THROWS_WITH(data::load_image("picture", 1, 1, {.max_pixels = 0}),
                    "load_image: max_pixels of 0; expected at least 1");
}
