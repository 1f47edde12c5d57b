// Handwritten digits read row by row: the program of the tutorial on recurrent networks. An LSTM sees an
// image as a sequence of 28 rows of 28 pixels; a second LSTM reads what the first wrote, and two dense layers
// name the digit.
//
//   mnist_lstm --data DIR                                        train for 4 epochs, as the tutorial does
//   mnist_lstm --data DIR --checkpoint lstm.json                 the same, and keep the result
//   mnist_lstm --data DIR --checkpoint lstm.json --predict 17    say what test image 17 is
//
// It exits with 0, with 1 after a sentence on what is wrong, and with 128 + n where signal n stopped it
// (Ctrl-C: 130).

#include <fmt/format.h>
#include <rill/rill.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <exception>
#include <filesystem>
#include <new>
#include <optional>

using namespace rill;

struct Classifier {
  nn::LSTM lstm1{28, 256, {.activation = nn::Activation::relu}};
  nn::Dropout drop1{0.2};
  nn::LSTM lstm2{256, 256, {.activation = nn::Activation::relu}};
  nn::Dropout drop2{0.1};
  nn::Linear hidden{256, 32};
  nn::Dropout drop3{0.2};
  nn::Linear output{32, 10};

  Tensor operator()(const Tensor& rows) const {  // [batch, 28, 28] -> logits [batch, 10]
    Tensor h = drop1(lstm1(rows).outputs);       // [batch, 28, 256]
    h = drop2(lstm2(h).last);                    // [batch, 256]
    return output(drop3(relu(hidden(h))));
  }

  nn::Fields fields() { return {{"lstm1", lstm1}, {"lstm2", lstm2}, {"hidden", hidden}, {"output", output}}; }
};

// The whole number that a text is; nothing where it is not one that fits.
std::optional<std::int64_t> to_number(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Tensor image_of(const std::string& what, const data::Dataset& test) {
  const bool digits = what.find_first_not_of("-0123456789") == std::string::npos;
  if (!digits) return unsqueeze(data::load_image(what, 28, 28), 0);
  const auto index = to_number(what);
  if (!index || *index < 0 || *index >= test.size())
    throw ValueError(
        fmt::format("--predict {}: there is no such test image; expected 0 to {}", what, test.size() - 1));
  return test[*index].features;
}

void predict(Classifier& model, const std::string& what, const data::Dataset& test) {
  const Tensor image = image_of(what, test);
  const auto pixels = image.to_vector<float>();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const char* shades[] = {"  ", "░░", "▒▒", "▓▓", "██"};
    fmt::print("{}{}", shades[static_cast<int>(pixels[i] * 4.99F)], i % 28 == 27 ? "\n" : "");
  }
  const Tensor logits = model(image);
  const auto probabilities = softmax(logits, -1).to_vector<double>();
  for (std::size_t digit = 0; digit < probabilities.size(); ++digit)
    fmt::print("{} {:6.2f} % {:#<{}}\n", digit, 100 * probabilities[digit], "",
               std::lround(50 * probabilities[digit]));
  fmt::print("This is a {}.\n", argmax(logits, 1).item());
}

int run(int argc, char** argv) {
  std::int64_t epochs = 4, batch_size = 32, limit = 60000, seed = 1;
  double learning_rate = 1e-4, decay = 1e-6;
  int thread_count = threads();
  std::string folder = "data/mnist", checkpoint, history_path, precision = "float32";
  std::optional<std::string> what;
  bool resume = false;

  CLI::App app("Trains an LSTM to read handwritten digits row by row, and lets it read one.");
  app.option_defaults()->always_capture_default();
  app.add_option("--data", folder, "Folder with the four MNIST files (scripts/fetch_mnist.sh fetches them)");
  app.add_option("--epochs", epochs, "How often to go through the training images")
      ->check(CLI::Range(0, 100000));
  app.add_option("--batch-size", batch_size, "Images to an update of the weights")
      ->check(CLI::Range(1, 60000));
  app.add_option("--learning-rate", learning_rate, "Of Adam, at the first update")
      ->check(CLI::Range(1e-9, 10.0));
  app.add_option("--decay", decay, "Update n has learning-rate / (1 + decay * n)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", seed, "The same seed gives the same run")->check(CLI::Range(0, 1000000000));
  app.add_option("--threads", thread_count, "To use; results do not depend on it")
      ->check(CLI::Range(1, 1024));
  app.add_option("--precision", precision, "Of the operands of matrix products; sums are float32 with either")
      ->check(CLI::IsMember({"float32", "bf16"}));
  app.add_option("--limit", limit, "Use only so many training images")->check(CLI::Range(1, 60000));
  app.add_option("--checkpoint", checkpoint,
                 "File for the state of training, after each epoch and on Ctrl-C");
  app.add_flag("--resume", resume, "Go on from the checkpoint as if the run had never stopped");
  app.add_option("--history", history_path, "File for the figures of every epoch (.json or .csv)");
  app.add_option("--predict", what, "Do not train: read a test image by number, or a 28 x 28 picture file");
  app.footer(
      "Train and keep the result:   mnist_lstm --checkpoint lstm.json --history lstm.csv\n"
      "Stop it with Ctrl-C, go on:  mnist_lstm --checkpoint lstm.json --resume\n"
      "Read test image 17:          mnist_lstm --checkpoint lstm.json --predict 17");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help
  } catch (const CLI::ParseError& error) {
    throw ValueError(error.what());
  }
  for (const char* flag : {"--checkpoint", "--history", "--predict"})
    if (app.count(flag) > 0 && app.get_option(flag)->as<std::string>().empty())
      throw ValueError(fmt::format("{} is empty; expected a name", flag));
  if (!history_path.empty() && history_path == checkpoint)
    throw ValueError(fmt::format("--history and --checkpoint are both {}; expected two files", checkpoint));

  set_threads(thread_count);
  if (precision == "bf16") set_matmul_precision(Precision::bfloat16);
  rill::seed(static_cast<std::uint64_t>(seed));
  Classifier model;
  if ((resume || what) && !std::filesystem::is_regular_file(checkpoint))
    throw ValueError("--resume and --predict need --checkpoint with the file of an earlier run");
  if (!history_path.empty()) train::History::check_path(history_path);
  const auto [training, test] = data::load_mnist(folder);
  if (what) {
    train::load(model, checkpoint);
    predict(model, *what, test);
    return 0;
  }
  fmt::print("{}", nn::summary(model));
  const train::History history =
      train::fit(model, training.take(limit),
                 {.loss = nn::cross_entropy,
                  .optimizer = optim::Adam{{.learning_rate = learning_rate, .decay = decay}},
                  .metrics = {train::accuracy},
                  .epochs = epochs,
                  .batch_size = batch_size,
                  .validation = test,
                  .checkpoint = checkpoint,
                  .resume = resume ? checkpoint : "",
                  .program_options = {{"seed", std::to_string(seed)},
                                      {"batch-size", std::to_string(batch_size)},
                                      {"precision", precision}}});
  if (!history_path.empty()) history.save(history_path);
  if (!history.stopped_by_signal) return 0;
  if (!checkpoint.empty() && std::ssize(history.epochs) < epochs)
    fmt::print("Go on with --checkpoint {} --resume.\n", checkpoint);
  return 128 + *history.stopped_by_signal;  // as a shell says that a signal ended a program
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "mnist_lstm: there is not enough memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "mnist_lstm: {}\n", error.what());
  }
  return 1;
}
