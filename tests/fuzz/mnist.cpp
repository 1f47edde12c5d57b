// load_mnist, on a folder of which one file is of any kind.
#include "rill/data/mnist.h"

#include <array>
#include <filesystem>

#include "tests/fuzz/memory_file.h"

namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 4> names = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                              "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// An image of zeros and a label of 0, as MNIST's files hold them.
std::string one(bool is_image) {
  using namespace std::string_literals;
  return is_image ? "\0\0\x08\x03\0\0\0\x01\0\0\0\x1c\0\0\0\x1c"s + std::string(28 * 28, '\0')
                  : "\0\0\x08\x01\0\0\0\x01\0"s;
}

// A folder whose files are in memory.
struct Folder {
  fs::path path;
  std::array<rill::fuzz::MemoryFile, names.size()> files;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "rill-fuzz-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) std::abort();
    path = pattern;
    for (std::size_t i = 0; i < names.size(); ++i) {
      fs::create_symlink(files[i].path(), path / names[i]);
      write_valid(i);
    }
  }
  ~Folder() { fs::remove_all(path); }

  // An image or a label, as MNIST has them.
  void write_valid(std::size_t i) {
    const std::string bytes = one(i % 2 == 0);
    files[i].write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Folder folder;
  if (size == 0) return 0;
  // The first byte says which file the others are.
  const std::size_t which = data[0] % names.size();
  folder.files[which].write({data + 1, size - 1});
  rill::fuzz::may_refuse([] {
    const auto [training, test] = rill::data::load_mnist(folder.path.string());
    if (training.feature_shape() != rill::Shape{28, 28}) std::abort();
    training.rows(0, training.size());
    test.rows(0, test.size());
  });
  folder.write_valid(which);
  return 0;
}
