// The example that compares layers, run as a user runs it.

#ifdef RILL_GRADIENT_FLOW

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/catch.h"

namespace fs = std::filesystem;

namespace {

struct Run {
  std::string output;
  int status;
};

Run run(const std::string& flags) {
  std::FILE* pipe = ::popen((RILL_GRADIENT_FLOW " " + flags + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  std::string text(1 << 16, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  return {text, ::pclose(pipe)};
}

nlohmann::json parsed(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return nlohmann::json::parse(file);
}

}  // namespace

TEST_CASE("The example on gradient flow compares six layers and writes what it found", "[flow][examples]") {
  const fs::path folder = fs::temp_directory_path() / ("rill-flow-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto [output, status] = run("--length 20 --hidden 8 --steps 40 --seeds 3 --threads 2 --report '" +
                                    (folder / "flow.html").string() + "'");
  INFO(output);
  REQUIRE(status == 0);
  CHECK_THAT(output, ContainsSubstring("LSTM, forget bias 0") && ContainsSubstring("decay rate"));
  CHECK(fs::file_size(folder / "flow.html") > 100'000);

  const auto report = parsed(folder / "flow.json");
  REQUIRE(report["sections"].size() == 2);
  std::map<std::string, nlohmann::json> items;
  for (const auto& section : report["sections"])
    for (const auto& item : section["items"]) items[item["title"]] = item;
  for (const char* title : {"Gradient norm over time", "Lyapunov spectra"})
    CHECK(items.at(title)["series"].size() == 6);
  CHECK(items.at("Gradient norm over time")["series"][0]["y"].size() == 20);
  CHECK(items.at("Singular values of each step's Jacobian, GRU")["series"][0]["upper"].size() == 20);
  // The state of an LSTM has two parts.
  CHECK(items.at("Lyapunov spectra")["series"][0]["y"].size() == 8);
  CHECK(items.at("Lyapunov spectra")["series"][3]["y"].size() == 16);
  CHECK(items.at("The forget gate of the LSTM, chrono")["rows"].size() == 8);
  CHECK(items.at("Learning curves")["series"].size() == 7);
  CHECK(items.at("After training")["rows"].size() == 6);

  std::map<std::string, double> ratio;
  for (const auto& row : items.at("Before training")["rows"])
    ratio[row[0]] = std::stod(row[1].get<std::string>());
  REQUIRE(ratio.size() == 6);
  CHECK(ratio["IRNN"] > 0.3);
  CHECK(ratio["LSTM, forget bias 0"] < 1e-4);
  CHECK(ratio["LSTM, forget bias 0"] < ratio["LSTM, forget bias 1"]);
  fs::remove_all(folder);
}

TEST_CASE("The example on gradient flow says what is wrong with its flags", "[flow][examples]") {
  CHECK_THAT(run("--task sorting").output, ContainsSubstring("--task"));
  const auto [output, status] = run("--task pixel-mnist --data /nowhere --steps 0");
  CHECK(status != 0);
  CHECK_THAT(output, ContainsSubstring("gradient_flow: /nowhere"));
}

#endif
