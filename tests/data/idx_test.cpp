#include "rill/data/idx.h"

#include <sys/stat.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "rill/data/mnist.h"
#include "tests/catch.h"
#include "tests/data/files.h"

namespace {

using namespace rill;
using tests::Bytes;
using tests::Folder;
using tests::message;

Bytes idx_bytes(const std::vector<std::uint32_t>& sizes, const Bytes& elements) {
  Bytes bytes{0, 0, 8, static_cast<std::uint8_t>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(size >> shift));
  bytes.insert(bytes.end(), elements.begin(), elements.end());
  return bytes;
}

Bytes gzipped(const Bytes& bytes) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  Bytes out(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// The error of reading a file of labels with those bytes, without the folder's name.
std::string reading(const Bytes& bytes) {
  const Folder folder;
  const std::string file = folder.write("labels", bytes);
  return folder.shortened(message([&] { data::read_idx(file, 1); }));
}

const Bytes three_labels = idx_bytes({3}, {7, 2, 1});

}  // namespace

TEST_CASE("an IDX file is read plain and compressed", "[data][idx]") {
  const Folder folder;
  const Bytes content = idx_bytes({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255});
  Bytes two_members = gzipped(Bytes(content.begin(), content.begin() + 10));
  const Bytes second = gzipped(Bytes(content.begin() + 10, content.end()));
  two_members.insert(two_members.end(), second.begin(), second.end());
  for (const Bytes& bytes : {content, gzipped(content), two_members}) {
    const data::Idx idx = data::read_idx(folder.write("images", bytes), 3);
    CHECK(idx.shape == Shape{2, 2, 3});
    CHECK(idx.bytes == Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255});
  }
}

TEST_CASE("a compressed IDX file of several megabytes is read whole", "[data][idx]") {
  const Folder folder;
  Bytes elements(3 << 20);
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<std::uint8_t>(i * i >> 7);
  const data::Idx idx = data::read_idx(folder.write("images", gzipped(idx_bytes({3 << 20}, elements))), 1);
  CHECK(idx.bytes == elements);
}

TEST_CASE("an IDX file of no elements is read", "[data][idx]") {
  const Folder folder;
  CHECK(data::read_idx(folder.write("labels", idx_bytes({0}, {})), 1).bytes.empty());
}

TEST_CASE("a file that is no IDX file of bytes is refused with what is wrong", "[data][idx]") {
  CHECK(reading({}) == "labels: truncated: 0 bytes, where the header alone has 8");
  CHECK(reading({0, 0, 8, 1, 0, 0}) == "labels: truncated: 6 bytes, where the header alone has 8");
  CHECK(reading(idx_bytes({1, 1, 1}, {5})) ==
        "labels: wrong magic number 0x00000803: an IDX file of unsigned bytes with 1 axes begins with "
        "0x00000801");
  CHECK(reading({'<', 'h', 't', 'm', 'l', '>'}) ==
        "labels: wrong magic number 0x3c68746d: an IDX file of unsigned bytes with 1 axes begins with "
        "0x00000801");
  CHECK(reading(idx_bytes({3}, {7, 2})) ==
        "labels: truncated: 2 bytes after the header, where its sizes [3] promise 3");
  CHECK(reading(idx_bytes({0xffffffff}, {7})) ==
        "labels: truncated: 1 bytes after the header, where its sizes [4294967295] promise 4294967295");
  CHECK(reading(idx_bytes({3}, {7, 2, 1, 0, 0})) ==
        "labels: 2 trailing bytes after the 3 that its sizes [3] promise");
}

TEST_CASE("sizes whose product no integer holds are refused", "[data][idx]") {
  const Folder folder;
  const std::string file = folder.write("images", idx_bytes({0xffffffff, 0xffffffff, 0xffffffff}, {1}));
  CHECK(message([&] { data::read_idx(file, 3); }) == file +
                                                         ": truncated: 1 bytes after the header, where its "
                                                         "sizes [4294967295, 4294967295, 4294967295] promise "
                                                         "18446744073709551615");
}

TEST_CASE("a rank that no IDX file has is refused", "[data][idx]") {
  CHECK_THROWS_WITH(data::read_idx("labels", -1), "read_idx: -1 axes; expected 0 to 255");
  CHECK_THROWS_AS(data::read_idx("labels", 256), ValueError);
}

TEST_CASE("sizes of which one is 0 promise nothing, but must fit a shape", "[data][idx]") {
  const Folder folder;
  const auto reading_images = [&](const std::vector<std::uint32_t>& sizes, const Bytes& elements) {
    const std::string file = folder.write("images", idx_bytes(sizes, elements));
    return folder.shortened(message([&] {
      const data::Idx idx = data::read_idx(file, 3);
      CHECK(idx.bytes.empty());
      CHECK(count(idx.shape) == 0);
    }));
  };
  CHECK(reading_images({0xffffffff, 0, 0x7fffffff}, {}) == "no FileError");
  CHECK(reading_images({0xffffffff, 0, 1}, {5}) ==
        "images: 1 trailing bytes after the 0 that its sizes [4294967295, 0, 1] promise");
  CHECK(reading_images({0xffffffff, 0xffffffff, 0}, {}) ==
        "images: the sizes [4294967295, 4294967295, 0] are too large for a shape");
}

TEST_CASE("gzip data that holds more or less than the sizes promise is refused", "[data][idx]") {
  CHECK(reading(gzipped(idx_bytes({3}, {7, 2}))) ==
        "labels: truncated: 2 bytes after the header, where its sizes [3] promise 3");
  CHECK(reading(gzipped(idx_bytes({0xffffffff}, {7}))) ==
        "labels: truncated: 1 bytes after the header, where its sizes [4294967295] promise 4294967295");
  CHECK(reading(gzipped(idx_bytes({3}, {7, 2, 1, 0}))) ==
        "labels: trailing bytes after the 3 that its sizes [3] promise");
  CHECK(reading(gzipped({0, 0, 8, 1, 0, 0})) == "labels: truncated: 6 bytes, where the header alone has 8");
}

TEST_CASE("a gzip file is refused at the first byte too many", "[data][idx]") {
  const Folder folder;
  // A member of 64 MiB of zeros, of which the header of the member before promises none; damaged at its end.
  Bytes bomb = gzipped(three_labels);
  Bytes zeros = gzipped(Bytes(64 << 20));
  zeros[zeros.size() - 5] ^= 1;
  bomb.insert(bomb.end(), zeros.begin(), zeros.end());
  CHECK(reading(bomb) == "labels: trailing bytes after the 3 that its sizes [3] promise");
}

TEST_CASE("every file that ends too early is refused", "[data][idx]") {
  const Folder folder;
  for (const Bytes& whole : {three_labels, gzipped(three_labels)})
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size, whole.size());
      CHECK(message([&] {
              data::read_idx(folder.write("labels", Bytes(whole.begin(), whole.begin() + size)), 1);
            }) != "no FileError");
    }
}

TEST_CASE("damaged gzip data is refused with what is wrong", "[data][idx]") {
  Bytes shortened = gzipped(three_labels);
  shortened.pop_back();
  CHECK(reading(shortened) == "labels: the gzip data ends too early");
  CHECK(reading({0x1f, 0x8b, 8}) == "labels: the gzip data ends too early");

  Bytes wrong_checksum = gzipped(three_labels);
  wrong_checksum[wrong_checksum.size() - 5] ^= 1;
  CHECK(reading(wrong_checksum) == "labels: the gzip data is damaged: incorrect data check");

  Bytes followed = gzipped(three_labels);
  followed.insert(followed.end(), {1, 2, 3});
  CHECK(reading(followed) == "labels: 3 trailing bytes after the gzip data");
}

TEST_CASE("a file that is not there, or is a folder, is refused", "[data][idx]") {
  const Folder folder;
  const std::string path = folder.path.string();
  CHECK(message([&] { data::read_idx(path + "/nothing", 1); }) ==
        path + "/nothing: cannot be opened: No such file or directory");
  CHECK(message([&] { data::read_idx(path + std::string("/a\0b", 4), 1); }) ==
        path + "/a: expected a path without zero bytes");
  CHECK(message([&] { data::read_idx(path, 1); }) == path + ": a folder, where a file was expected");
}

TEST_CASE("a pipe or a device is refused, and not waited for", "[data][idx]") {
  const Folder folder;
  const std::string pipe = (folder.path / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(message([&] { data::read_idx(pipe, 1); }) ==
        pipe + ": a pipe, a socket or a device, where a file was expected");
  CHECK(message([&] { data::read_idx("/dev/zero", 1); }) ==
        "/dev/zero: a pipe, a socket or a device, where a file was expected");
}

TEST_CASE("MNIST is read from its four files, plain or compressed", "[data][mnist]") {
  const Folder folder;
  folder.write("train-images-idx3-ubyte", idx_bytes({2, 28, 28}, Bytes(2 * 28 * 28, 51)));
  folder.write("train-labels-idx1-ubyte.gz", gzipped(idx_bytes({2}, {4, 9})));
  folder.write("t10k-images-idx3-ubyte.gz", gzipped(idx_bytes({1, 28, 28}, Bytes(28 * 28, 255))));
  folder.write("t10k-labels-idx1-ubyte", idx_bytes({1}, {0}));

  const auto [training, test] = data::load_mnist(folder.path.string());
  CHECK(training.size() == 2);
  CHECK(test.size() == 1);
  const auto [images, labels] = training.rows(0, 2);
  CHECK(images.shape() == Shape{2, 28, 28});
  CHECK(images.span<float>()[783] == 0.2F);
  CHECK(labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{4, 9});
}

TEST_CASE("MNIST files that do not belong together are refused with what is wrong", "[data][mnist]") {
  const Folder folder;
  const std::string path = folder.path.string();
  const auto loading = [&] { return message([&] { data::load_mnist(path); }); };
  CHECK(loading() ==
        path + "/train-images-idx3-ubyte: not there, nor with .gz; scripts/fetch_mnist.sh fetches it");

  folder.write("train-labels-idx1-ubyte", idx_bytes({3}, {4, 9, 17}));
  folder.write("train-images-idx3-ubyte", idx_bytes({2, 28, 28}, Bytes(2 * 28 * 28)));
  CHECK(loading() == path + "/train-images-idx3-ubyte holds 2 images, but " + path +
                         "/train-labels-idx1-ubyte holds 3 labels");

  folder.write("train-images-idx3-ubyte", idx_bytes({3, 28, 28}, Bytes(3 * 28 * 28)));
  CHECK(loading() == path + "/train-labels-idx1-ubyte: label 17 at index 2 is not a digit from 0 to 9");

  // Seen before the elements are read: here there are none.
  folder.write("train-images-idx3-ubyte", idx_bytes({3, 27, 28}, {}));
  CHECK(loading() == path + "/train-images-idx3-ubyte: images of 27 x 28, where MNIST has 28 x 28");
}
