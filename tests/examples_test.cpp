// The examples, run as a user runs them, on data that is small enough for a test.

#ifdef RILL_MNIST_LSTM

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
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

struct Result {
  int status;
  std::string text;  // what it wrote, errors too
};

Result run(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  std::string text(1 << 20, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

std::string output(const std::string& flags) {
  const Result result = run(RILL_MNIST_LSTM " " + flags);
  INFO(result.text);
  CHECK(result.status == 0);
  return result.text;
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

TEST_CASE("the MNIST example says in a sentence what is wrong, before it trains", "[examples][errors]") {
  const Folder folder;
  write_digits(folder.path, "train", 20);
  write_digits(folder.path, "t10k", 10);
  const std::string path = folder.path.string(), data = " --data " + path + " --batch-size 20 --epochs 1 ";
  const std::string checkpoint = path + "/c.json";
  output(data + "--checkpoint " + checkpoint);
  const auto refused = [&](const std::string& flags, const std::string& reason,
                           const std::string& environment = "") {
    const Result result = run(environment + RILL_MNIST_LSTM + flags);
    INFO(flags << "\n" << result.text);
    CHECK(result.status == 1);
    CHECK_THAT(result.text, ContainsSubstring("mnist_lstm: ") && ContainsSubstring(reason));
    CHECK(result.text.find("Epoch") == std::string::npos);
  };
  refused(data, "RILL_THREADS", "RILL_THREADS=abc ");
  refused(data + "--resume", "--resume and --predict need --checkpoint");
  refused(data + "--resume --checkpoint " + path, "--resume and --predict need --checkpoint");
  refused(data + "--checkpoint " + path, path);
  refused(data + "--checkpoint " + path + "/none/c.json", "none/c.json");
  refused(data + "--history " + path + "/h.txt", "ends neither in .json nor in .csv");
  refused(data + "--history " + path + "/none/h.csv", "none/h.csv");
  refused(" --data " + path + "/none", "none/");
  for (const std::string flag : {"--checkpoint", "--history", "--predict"})
    refused(data + flag + " \"\"", flag + " is empty; expected a name");
  refused(data + "--checkpoint " + checkpoint + " --history " + checkpoint, "expected two files");
  refused(data + "--limit 0", "--limit");
  for (const std::string index : {"99999999999999999999", "-5", "10"})
    refused(data + "--checkpoint " + checkpoint + " --predict " + index,
            "--predict " + index + ": there is no such test image; expected 0 to 9");
  refused(data + "--checkpoint " + checkpoint + " --predict " + path + "/none.png", "none.png");
  const std::string with_little_memory = "ulimit -v 60000; exec ";
  if (run(with_little_memory + RILL_MNIST_LSTM " --help").status == 0) refused(data, "", with_little_memory);
}

TEST_CASE("the MNIST example that a signal stopped exits as a shell says that", "[examples][interrupt]") {
  const Folder folder;
  write_digits(folder.path, "train", 100);
  write_digits(folder.path, "t10k", 10);
  const std::string checkpoint = (folder.path / "c.json").string();
  const std::string command = std::string("echo $$; exec ") + RILL_MNIST_LSTM + " --data " +
                              folder.path.string() + " --epochs 100000 --checkpoint " + checkpoint;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe);
  int pid = 0;
  REQUIRE(std::fscanf(pipe, "%d", &pid) == 1);
  std::string text;
  bool sent = false;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    text += static_cast<char>(c);
    if (sent || text.find("Epoch 1/") == std::string::npos) continue;
    sent = ::kill(pid, SIGINT) == 0;
  }
  const int status = ::pclose(pipe);
  INFO(text);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  CHECK_THAT(text, ContainsSubstring("Go on with --checkpoint " + checkpoint + " --resume."));
}

#endif
