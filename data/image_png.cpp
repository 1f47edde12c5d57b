#include <png.h>

#include <csetjmp>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "rill/data/image_reader.h"
#include "rill/data/memory.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {
namespace {

// libpng's structures. Its errors jump: no function that calls it may hold an object with a destructor.
class PngReader {
 public:
  explicit PngReader(InputFile& file) : file_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_) info_ = png_create_info_struct(png_);
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw Error(fmt::format("{}: libpng does not have the memory to read it", file.path()));
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  png_uint_32 height() const { return png_get_image_height(png_, info_); }
  png_uint_32 width() const { return png_get_image_width(png_, info_); }
  bool is_interlaced() const { return png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE; }
  bool has_16_bits() const { return png_get_bit_depth(png_, info_) == 16; }
  std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }

  // The header; the rows will be red, green, blue and alpha, 8 or 16 bits each.
  void start() {
    guarded([this] {
      png_init_io(png_, file_.stream());
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // GreyImage has its own
      // Only what makes the picture is read: IHDR, PLTE, tRNS, IDAT, IEND.
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_read_info(png_, info_);
    });
  }
  // Returns how many passes there are over the rows.
  int start_rows() {
    int passes = 0;
    guarded([this, &passes] {
      png_set_expand(png_);
      png_set_gray_to_rgb(png_);
      png_set_add_alpha(png_, 0xffff, PNG_FILLER_AFTER);
      passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    return passes;
  }
  // A pass over an interlaced picture changes some pixels of the row that the pass before left.
  void read_row(std::uint8_t* row) {
    guarded([this, row] { png_read_row(png_, row, nullptr); });
  }
  void finish() {
    guarded([this] { png_read_end(png_, nullptr); });
  }

 private:
  template <class F>
  void guarded(F step) {
    if (setjmp(jump_) != 0) fail();
    step();
  }
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    fmt::format_to_n(self->message_, sizeof self->message_ - 1, "{}", message);
    std::longjmp(self->jump_, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  [[noreturn]] void fail() {
    if (std::feof(file_.stream()))
      throw FileError(fmt::format("{}: the PNG data ends too early", file_.path()));
    throw FileError(fmt::format("{}: the PNG data is damaged: {}", file_.path(), message_));
  }

  InputFile& file_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_;
  char message_[200] = {};
};

std::uint64_t sample(const std::uint8_t* row, std::size_t i, bool has_16_bits) {
  return has_16_bits ? std::uint64_t{row[2 * i]} << 8 | row[2 * i + 1] : row[i];
}

}  // namespace

void read_png(InputFile& file, GreyImage& image) {
  PngReader png(file);
  png.start();
  image.check_size(png.height(), png.width());
  const int passes = png.start_rows();
  const bool has_16_bits = png.has_16_bits();
  const std::size_t row_bytes = png.row_bytes();
  // The passes over an interlaced picture need all rows, any other only one.
  const std::size_t kept = passes > 1 ? static_cast<std::size_t>(image.height()) : 1;
  std::vector<std::uint8_t> rows = make_bytes(file.path(), kept * row_bytes);
  image.allocate();
  for (int pass = 1; pass <= passes; ++pass)
    for (std::int64_t y = 0; y < image.height(); ++y) {
      std::uint8_t* row = rows.data() + (kept == 1 ? 0 : static_cast<std::size_t>(y) * row_bytes);
      png.read_row(row);
      if (pass < passes) continue;
      float* out = image.row(y);
      for (std::size_t x = 0; x < static_cast<std::size_t>(image.width()); ++x)
        out[x] = grey(sample(row, 4 * x, has_16_bits), sample(row, 4 * x + 1, has_16_bits),
                      sample(row, 4 * x + 2, has_16_bits), sample(row, 4 * x + 3, has_16_bits),
                      has_16_bits ? 65535 : 255);
    }
  png.finish();
}

}  // namespace rill::data::detail
