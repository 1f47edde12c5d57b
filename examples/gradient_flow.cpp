// Why does one recurrent network learn what lies a hundred steps back, and another not? Compares six layers:
// how much of the loss's gradient arrives at the first step before anything is learnt, what dynamical systems
// theory says about it, and what comes of it in training. Prints a table and writes a page of pictures.
//
//   gradient_flow                                    the adding problem over 100 steps
//   gradient_flow --task copy --length 20 50 100     several lengths of another task
//   gradient_flow --task pixel-mnist --data DIR      MNIST pixel by pixel

#include <fmt/format.h>
#include <rill/rill.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <limits>
#include <new>

using namespace rill;

struct Settings {
  std::string task = "adding", folder = "data/mnist", report = "gradient-flow.html";
  std::vector<std::int64_t> lengths{100};
  std::int64_t hidden = 64, steps = 1000, seeds = 10, batch_size = 32;
  double learning_rate = 0;  // 0: each layer its own
  int thread_count = threads();
};

// What is to be learnt: a loss of the last step's output, or of every step's.
struct Task {
  data::Dataset training, test;
  std::int64_t classes;  // 0: a number is asked for
  bool every_step;
  double baseline;  // the loss of whoever knows the targets alone

  std::int64_t features() const { return training.feature_shape()[1]; }
  Tensor loss(const Tensor& predictions, const Tensor& targets) const {
    return classes ? nn::cross_entropy(predictions, targets) : nn::mse(predictions, targets);
  }
};

Task make_task(const Settings& settings, std::int64_t length) {
  const std::int64_t examples = std::clamp<std::int64_t>(settings.steps * settings.batch_size, 1000, 50'000);
  const auto both = [&](auto options, auto generate) {
    options.examples = examples;
    options.seed = 1;
    auto training = generate(options);
    options.examples = 1000;
    options.seed = 2;
    return std::pair(training, generate(options));
  };
  if (settings.task == "adding") {
    const auto [training, test] = both(data::AddingOptions{.length = length}, data::adding_problem);
    return {training, test, 0, false, data::adding_baseline()};
  }
  if (settings.task == "copy") {
    const auto [training, test] = both(data::CopyMemoryOptions{.delay = length}, data::copy_memory);
    return {training, test, data::copy_memory_classes, true, data::copy_memory_baseline(length)};
  }
  if (settings.task == "order") {
    const auto [training, test] = both(data::TemporalOrderOptions{.length = length}, data::temporal_order);
    return {training, test, 4, false, data::temporal_order_baseline(2).cross_entropy};
  }
  const auto [training, test] = data::pixel_mnist(data::load_mnist(settings.folder));
  return {training, test.take(1000), 10, false, data::pixel_mnist_baseline().cross_entropy};
}

template <nn::Cell Cell>
struct Model {
  nn::Recurrent<Cell> layer;
  nn::Linear output;
  bool every_step;

  Tensor operator()(const Tensor& x) const {
    const auto result = layer(x);
    return output(every_step ? result.outputs : result.last);
  }
  nn::Fields fields() { return {{"layer", layer}, {"output", output}}; }
};

struct Layer {
  std::string name;
  double learning_rate;  // the best of several on the adding problem: no one rate suits all
};

// Calls visit(layer, make) for each layer of the comparison, in which make() is a cell.
template <class Visit>
void for_each_layer(std::int64_t in, std::int64_t hidden, std::int64_t length, const Visit& visit) {
  visit(Layer{"tanh RNN", 1e-3}, [=] { return nn::RNNCell(in, hidden); });
  visit(Layer{"IRNN", 3e-4},
        [=] {  // Le, Jaitly and Hinton 2015, but for Glorot's input weights: theirs are 0.001
          return nn::RNNCell(in, hidden,
                             {.activation = nn::Activation::relu, .recurrent_initializer = nn::identity()});
        });
  visit(Layer{"GRU", 2e-3}, [=] { return nn::GRUCell(in, hidden); });
  visit(Layer{"LSTM, forget bias 0", 2e-3}, [=] { return nn::LSTMCell(in, hidden, {.forget_bias = 0}); });
  visit(Layer{"LSTM, forget bias 1", 2e-3}, [=] { return nn::LSTMCell(in, hidden, {.forget_bias = 1}); });
  visit(Layer{"LSTM, chrono", 2e-3},
        [=] { return nn::LSTMCell(in, hidden, {.longest_dependency = static_cast<double>(length)}); });
}

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}
double median(const std::vector<double>& values) {
  const auto in_order = sorted(values);
  return (in_order[(in_order.size() - 1) / 2] + in_order[in_order.size() / 2]) / 2;
}

// The least, the median and the greatest of each row.
flow::Series spread(const std::string& name, const std::vector<std::vector<double>>& rows) {
  flow::Series out{.name = name};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out.x.push_back(static_cast<double>(i + 1));
    out.y.push_back(median(rows[i]));
    out.lower.push_back(sorted(rows[i]).front());
    out.upper.push_back(sorted(rows[i]).back());
  }
  return out;
}

// The pictures and tables of one length, which each layer adds to.
struct Findings {
  flow::Table start{
      .title = "Before training",
      .header = {"layer", "ratio, median", "least", "greatest", "decay rate", "largest exponent"}};
  flow::Table end{.title = "After training",
                  .header = {"layer", "learning rate", "updates", "test loss", "baseline"}};
  flow::LinePlot norms{.title = "Gradient norm over time",
                       .caption =
                           "The norm of the last step's loss by the hidden state, median and range over "
                           "seeds. A line that falls to the left is a gradient that vanishes on its way "
                           "back.",
                       .x_label = "time step t",
                       .y_label = "norm of dL/dh(t), logarithmic",
                       .logarithmic = true};
  flow::LinePlot exponents{.title = "Lyapunov spectra",
                           .caption =
                               "Mean growth of each direction of the state in a step, the largest first. "
                               "Near 0 on the left: something is remembered. All far below: nothing is. "
                               "Directions that die out lie below the axis, down to minus infinity.",
                           .x_label = "direction",
                           .y_label = "exponent, natural logarithm a step",
                           .low = -4};
  flow::LinePlot learning{.title = "Learning curves",
                          .caption =
                              "Means of training losses since the point before. Below the baseline "
                              "something of the sequence is used.",
                          .x_label = "update",
                          .y_label = "training loss, logarithmic",
                          .logarithmic = true};
  std::vector<flow::LinePlot> singular;
  std::vector<flow::HeatMap> gates;
};

// One row of numbers for each step, of a tensor [time, ...].
std::vector<std::vector<double>> rows(const Tensor& by_time) {
  std::vector<std::vector<double>> out;
  for (const Tensor& step : unbind(by_time)) out.push_back(step.to_vector<double>());
  return out;
}

// The norm of dL/dh(t) at each step, over the whole batch.
template <nn::Cell Cell>
std::vector<double> gradient_norms(const Model<Cell>& model, const Task& task, const Tensor& x,
                                   const Tensor& targets) {
  Tape tape;
  const auto run = model.layer.trace(x);
  std::vector<Tensor> gradients = tape.gradient(task.loss(model.output(run.last), targets), run.hidden);
  for (Tensor& gradient : gradients)
    if (gradient.defined()) gradient = reshape(gradient, {1, -1});
  return flow::norms_over_time(gradients).to_vector<double>();
}

// The slope of a straight line through log norm, a step back in time.
double decay_rate(const std::vector<double>& norms) {
  // A layer of dead units passes on nothing, which no line goes through.
  if (norms.size() - static_cast<std::size_t>(std::count(norms.begin(), norms.end(), 0.0)) < 2)
    return -std::numeric_limits<double>::infinity();
  return flow::fit_decay(Tensor::from(norms)).rate;
}

// Pictures of the gates by which a layer keeps its state.
template <nn::Cell Cell>
void add_gates(const nn::Recurrent<Cell>& layer, const Tensor& x, const std::string& name,
               Findings& findings) {
  const nn::CellTrace trace = layer.trace(x).cells[0];
  for (const std::string& gate : trace.names) {
    if (gate != "forget" && gate != "update") continue;
    findings.gates.push_back(
        {.title = fmt::format("The {} gate of the {}", gate, name),
         .caption = "For one sequence. Bright: the unit keeps its state. Dark: it takes a new one.",
         .x_label = "time step",
         .y_label = "unit",
         .value_label = "activation",
         .rows = rows(transpose(select(stack(trace[gate]), 1, 0))),
         .low = 0,
         .high = 1});
  }
}

template <nn::Cell Cell>
Model<Cell> make_model(const Task& task, std::int64_t hidden, Cell cell) {
  return {nn::Recurrent<Cell>(std::move(cell)), nn::Linear(hidden, std::max<std::int64_t>(task.classes, 1)),
          task.every_step};
}

// In float64, since a gradient may shrink below what a float holds.
template <class Make>
void look_before_training(const Settings& settings, const Task& task, const std::string& name,
                          const Make& make, Findings& findings) {
  const auto [features, targets] = task.test.rows(0, settings.batch_size);
  const Tensor x = cast(features, DType::float64), one = slice(x, 0, {0, 1});
  Tensor wanted = task.every_step ? select(targets, 1, -1) : targets;
  if (!task.classes) wanted = cast(wanted, DType::float64);

  std::vector<std::vector<double>> norms(static_cast<std::size_t>(x.shape()[1]));
  std::vector<double> ratios, rates, exponents;
  for (std::int64_t seed = 1; seed <= settings.seeds; ++seed) {
    rill::seed(static_cast<std::uint64_t>(seed));
    auto model = make_model(task, settings.hidden, make());
    nn::to(model, DType::float64);
    const auto found = gradient_norms(model, task, x, wanted);
    for (std::size_t t = 0; t < found.size(); ++t) norms[t].push_back(found[t]);
    ratios.push_back(found.front() / found.back());
    rates.push_back(decay_rate(found));
    const auto spectrum = flow::lyapunov_spectrum(model.layer, one, {.exponents = seed == 1 ? 0 : 1});
    exponents.push_back(spectrum.exponents[0]);
    if (seed > 1) continue;
    findings.exponents.series.push_back({.name = name, .y = spectrum.exponents});
    const Tensor singular = select(flow::singular_values(flow::state_jacobians(model.layer, one)), 1, 0);
    findings.singular.push_back({.title = "Singular values of each step's Jacobian, " + name,
                                 .caption = "Median, least and greatest for one sequence. A step shrinks a "
                                            "gradient along every direction whose value is below 1.",
                                 .x_label = "time step t",
                                 .y_label = "singular value of ds(t)/ds(t-1)",
                                 .low = 0,
                                 .series = {spread("median and range", rows(singular))}});
    add_gates(model.layer, one, name, findings);
  }
  findings.norms.series.push_back(spread(name, norms));
  const auto in_order = sorted(ratios);
  findings.start.rows.push_back({name, fmt::format("{:.2e}", median(ratios)),
                                 fmt::format("{:.2e}", in_order.front()),
                                 fmt::format("{:.2e}", in_order.back()), fmt::format("{:.4f}", median(rates)),
                                 fmt::format("{:.4f}", median(exponents))});
}

// Trains one layer, or until Ctrl-C.
template <class Make>
void learn(const Settings& settings, const Task& task, const Layer& layer, const Make& make,
           const train::Interrupt& interrupt, Findings& findings) {
  rill::seed(1);
  auto model = make_model(task, settings.hidden, make());
  const double rate = settings.learning_rate > 0 ? settings.learning_rate : layer.learning_rate;
  optim::Adam adam{{.learning_rate = rate, .clip = {.global_norm = 1}}};
  flow::Series curve{.name = layer.name};
  const std::int64_t interval = std::max<std::int64_t>(settings.steps / 100, 1);
  fmt::print("{}, learning rate {}\n", layer.name, rate);
  train::Progress progress(stdout, 1);
  progress.begin_epoch(1, settings.steps);
  std::int64_t step = 0;
  double sum = 0, recent = 0;
  const auto goes_on = [&] { return step < settings.steps && !interrupt.requested(); };
  while (goes_on())
    for (const auto& [features, targets] : task.training.shuffled().batches(settings.batch_size)) {
      Tape tape;
      const Tensor loss = task.loss(model(features), targets);
      adam.update(model, std::move(tape).gradient(loss));
      sum += loss.item();
      if (++step % interval == 0) {
        recent = sum / static_cast<double>(interval);
        curve.x.push_back(static_cast<double>(step));
        curve.y.push_back(recent);
        sum = 0;
      }
      progress.step(step, {{"loss", recent}});
      if (!goes_on()) break;
    }
  if (curve.y.empty()) return;
  if (step == settings.steps)
    progress.end_epoch({{"loss", recent}});
  else
    progress.break_line();
  findings.learning.series.push_back(std::move(curve));
  const double end =
      train::evaluate(model, task.test,
                      {.loss = [&](const Tensor& predictions,
                                   const Tensor& targets) { return task.loss(predictions, targets); }})[0]
          .second;
  findings.end.rows.push_back({layer.name, fmt::format("{}", rate), fmt::format("{}", step),
                               fmt::format("{:.5f}", end), fmt::format("{:.5f}", task.baseline)});
}

void print(const flow::Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) fmt::print("{:<{}}", cells[i], i ? 18 : 22);
    fmt::print("\n");
  };
  line(table.header);
  for (const auto& row : table.rows) line(row);
  fmt::print("\n");
}

void compare(const Settings& settings, std::int64_t length, const train::Interrupt& interrupt,
             flow::Report& report) {
  const Task task = make_task(settings, length);
  const std::int64_t time = task.training.feature_shape()[0];
  fmt::print("{}, {} steps\n\n", settings.task, time);
  Findings findings;
  for_each_layer(task.features(), settings.hidden, time, [&](const Layer& layer, const auto& make) {
    if (!interrupt.requested()) look_before_training(settings, task, layer.name, make, findings);
  });
  if (interrupt.requested()) return;
  print(findings.start);
  report.section(fmt::format("{} steps: before training", time))
      .add(std::move(findings.start))
      .add(std::move(findings.norms))
      .add(std::move(findings.exponents));
  for (auto& picture : findings.singular) report.add(std::move(picture));
  for (auto& gate : findings.gates) report.add(std::move(gate));
  if (settings.steps == 0) return;
  report.save(settings.report);  // what keeps it from being written shows before hours of training

  for_each_layer(task.features(), settings.hidden, time, [&](const Layer& layer, const auto& make) {
    if (!interrupt.requested()) learn(settings, task, layer, make, interrupt, findings);
  });
  if (findings.end.rows.empty()) return;
  fmt::print("\n");
  print(findings.end);
  findings.learning.series.push_back({.name = "baseline",
                                      .y = {task.baseline, task.baseline},
                                      .x = {0, static_cast<double>(settings.steps)}});
  report.section(fmt::format("{} steps: training", time))
      .add(std::move(findings.learning))
      .add(std::move(findings.end));
}

int run(int argc, char** argv) {
  Settings settings;
  CLI::App app("Compares how gradients flow through recurrent layers, and what they learn.");
  app.option_defaults()->always_capture_default();
  app.add_option("--task", settings.task, "What is to be learnt")
      ->check(CLI::IsMember({"adding", "copy", "order", "pixel-mnist"}));
  app.add_option("--length", settings.lengths, "Time steps, one or several; the delay of copy")
      ->check(CLI::Range(10, 10000));
  app.add_option("--hidden", settings.hidden, "Units of each layer")->check(CLI::Range(2, 4096));
  app.add_option("--steps", settings.steps, "Updates of the weights; 0: do not train")
      ->check(CLI::Range(0, 10000000));
  app.add_option("--seeds", settings.seeds, "Initialisations to measure; training takes the first")
      ->check(CLI::Range(1, 1000));
  app.add_option("--batch-size", settings.batch_size, "Sequences to an update")->check(CLI::Range(1, 1000));
  app.add_option(
         "--learning-rate", settings.learning_rate,
         "Of Adam, for all layers; 0: for each the one that served it well. Gradients are clipped at norm 1")
      ->check(CLI::Range(0.0, 10.0));
  app.add_option("--data", settings.folder, "Folder with the four MNIST files, for pixel-mnist");
  app.add_option("--report", settings.report, "Page to write, with its data beside it (.html)");
  app.add_option("--threads", settings.thread_count, "To use; results do not depend on it")
      ->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);

  set_threads(settings.thread_count);
  flow::Report::check_path(settings.report);
  flow::Report report(
      "Gradient flow: " + settings.task,
      fmt::format("Six recurrent layers of {} units: {} initialisations before training, and one through {} "
                  "updates of {} sequences each.",
                  settings.hidden, settings.seeds, settings.steps, settings.batch_size));
  if (settings.task == "pixel-mnist") settings.lengths = {784};
  const train::Interrupt interrupt;
  for (const std::int64_t length : settings.lengths) {
    compare(settings, length, interrupt, report);
    if (interrupt.requested() && report.sections().empty()) {
      fmt::print("Stopped before anything was found.\n");
      return 128 + interrupt.signal();
    }
    report.save(settings.report);
    if (interrupt.requested()) {
      fmt::print("Stopped; the report holds what there is.\n");
      break;
    }
  }
  fmt::print("wrote {}\n", settings.report);
  // As a shell says that a signal ended a program.
  return interrupt.requested() ? 128 + interrupt.signal() : 0;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "gradient_flow: there is not enough memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "gradient_flow: {}\n", error.what());
  }
  return 1;
}
