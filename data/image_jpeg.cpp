#include <cstdio>  // before jpeglib.h, which needs it

#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <vector>

#include "fmt/format.h"
#include "rill/data/image_reader.h"
#include "rill/data/memory.h"
#include "rill/tensor/error.h"

namespace rill::data::detail {
namespace {

// libjpeg's structures. Its errors jump: no function that calls it may hold an object with a destructor.
class JpegReader {
 public:
  explicit JpegReader(InputFile& file) : file_(file) {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    progress_.progress_monitor = on_progress;
    jpeg_.client_data = this;
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  std::uint64_t height() const { return jpeg_.image_height; }
  std::uint64_t width() const { return jpeg_.image_width; }
  int channels() const { return jpeg_.output_components; }
  // Programs that write CMYK into a JPEG and say so (Adobe) write how much is not covered by ink.
  bool is_inverted() const { return jpeg_.saw_Adobe_marker != 0; }

  // The header.
  void start() {
    guarded([this] {
      jpeg_create_decompress(&jpeg_);
      jpeg_.progress = &progress_;
      jpeg_stdio_src(&jpeg_, file_.stream());
      jpeg_read_header(&jpeg_, TRUE);
    });
  }
  // The rows will be grey, red, green and blue, or CMYK, 8 bits each.
  void start_rows() {
    switch (jpeg_.jpeg_color_space) {
      case JCS_GRAYSCALE:
      case JCS_YCbCr:
        jpeg_.out_color_space = JCS_GRAYSCALE;
        break;
      case JCS_CMYK:
      case JCS_YCCK:
        jpeg_.out_color_space = JCS_CMYK;
        break;
      case JCS_RGB:
        jpeg_.out_color_space = JCS_RGB;
        break;
      default:
        throw FileError(fmt::format("{}: a JPEG of {} components, which is not grey, YCbCr, RGB or CMYK",
                                    file_.path(), jpeg_.num_components));
    }
    guarded([this] { jpeg_start_decompress(&jpeg_); });
  }
  void read_row(std::uint8_t* row) {
    guarded([this, row] {
      JSAMPROW rows[] = {row};
      jpeg_read_scanlines(&jpeg_, rows, 1);
    });
  }
  void finish() {
    guarded([this] { jpeg_finish_decompress(&jpeg_); });
  }

 private:
  template <class F>
  void guarded(F step) {
    if (setjmp(jump_) != 0) fail();
    step();
  }
  [[noreturn]] static void on_error(j_common_ptr jpeg) {
    std::longjmp(static_cast<JpegReader*>(jpeg->client_data)->jump_, 1);
  }
  // A warning (below 0) says that a part of the picture is invented. Not so that bytes were skipped between
  // two parts, which cameras write.
  static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA) on_error(jpeg);
  }
  // A progressive picture may ask for any number of scans over all its pixels; programs write about ten.
  static void on_progress(j_common_ptr jpeg) {
    constexpr int most_scans = 200;
    auto* self = static_cast<JpegReader*>(jpeg->client_data);
    if (self->jpeg_.input_scan_number <= most_scans) return;
    self->too_many_scans_ = true;
    on_error(jpeg);
  }
  [[noreturn]] void fail() {
    if (too_many_scans_) throw FileError(fmt::format("{}: the JPEG data has too many scans", file_.path()));
    char message[JMSG_LENGTH_MAX];
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), message);
    throw FileError(fmt::format("{}: the JPEG data is damaged: {}", file_.path(), message));
  }

  InputFile& file_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  bool too_many_scans_ = false;
  std::jmp_buf jump_;
};

float grey_of(const std::uint8_t* pixel, int channels, bool is_inverted) {
  constexpr unsigned most = 255;
  if (channels == 1) return grey(pixel[0], pixel[0], pixel[0], most, most);
  if (channels == 3) return grey(pixel[0], pixel[1], pixel[2], most, most);
  // What cyan, magenta, yellow and black ink leave of the light.
  const auto light = [&](int i) { return is_inverted ? pixel[i] : most - pixel[i]; };
  const float black = static_cast<float>(light(3)) / most;
  return black * grey(light(0), light(1), light(2), most, most);
}

}  // namespace

void read_jpeg(InputFile& file, GreyImage& image) {
  JpegReader jpeg(file);
  jpeg.start();
  image.check_size(jpeg.height(), jpeg.width());
  jpeg.start_rows();
  const int channels = jpeg.channels();
  std::vector<std::uint8_t> row = make_bytes(
      file.path(), static_cast<std::uint64_t>(image.width()) * static_cast<std::uint64_t>(channels));
  image.allocate();
  for (std::int64_t y = 0; y < image.height(); ++y) {
    jpeg.read_row(row.data());
    float* out = image.row(y);
    for (std::int64_t x = 0; x < image.width(); ++x)
      out[x] = grey_of(row.data() + x * channels, channels, jpeg.is_inverted());
  }
  jpeg.finish();
}

}  // namespace rill::data::detail
