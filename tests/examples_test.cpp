// The examples, run as a user runs them, on data that is small enough for a test.

#ifdef RILL_MNIST_LSTM

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path = fs::temp_directory_path() / ("rill-example-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

// An IDX file of bytes with these sizes.
void write_idx(const fs::path& path, const std::vector<unsigned>& sizes, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << '\0' << '\0' << '\x08' << static_cast<char>(sizes.size());
  for (unsigned size : sizes)
    for (int shift : {24, 16, 8, 0}) file << static_cast<char>(size >> shift & 255);
  file << bytes;
}

// Images whose brightest row is that of their label.
void write_digits(const fs::path& folder, const std::string& name, unsigned count) {
  std::mt19937 random(count);
  std::string images, labels;
  for (unsigned i = 0; i < count; ++i) {
    labels += static_cast<char>(i % 10);
    for (unsigned row = 0; row < 28; ++row)
      for (unsigned column = 0; column < 28; ++column)
        images += static_cast<char>(row / 2 == i % 10 ? 255 : random() % 64);
  }
  write_idx(folder / (name + "-images-idx3-ubyte"), {count, 28, 28}, images);
  write_idx(folder / (name + "-labels-idx1-ubyte"), {count}, labels);
}

std::string output(const std::string& flags) {
  std::FILE* pipe = ::popen((RILL_MNIST_LSTM " " + flags + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  std::string text(1 << 20, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  INFO(text);
  CHECK(::pclose(pipe) == 0);
  return text;
}

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("the MNIST example trains, resumes to the same bytes, keeps a history and predicts", "[examples]") {
  const Folder folder;
  write_digits(folder.path, "train", 100);
  write_digits(folder.path, "t10k", 20);
  const std::string data = "--data " + folder.path.string() + " --batch-size 20 --learning-rate 0.003 ";
  const std::string whole = (folder.path / "whole.json").string(),
                    parts = (folder.path / "parts.json").string();
  const std::string history = (folder.path / "history.csv").string();

  const std::string text = output(data + "--epochs 3 --checkpoint " + whole + " --history " + history);
  CHECK_THAT(text, ContainsSubstring("Total params: 825,706"));
  CHECK_THAT(text, ContainsSubstring("Epoch 3/3 5/5 [==============================]"));
  CHECK_THAT(content(history), ContainsSubstring("epoch,loss,accuracy,val_loss,val_accuracy\n1,"));

  output(data + "--epochs 1 --checkpoint " + parts);
  output(data + "--epochs 3 --resume --checkpoint " + parts);
  CHECK((content(parts) == content(whole)));

  CHECK_THAT(output(data + "--predict 3 --checkpoint " + whole), ContainsSubstring("This is a "));
}

#endif
