#include "rill/flow/report.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "rill/tensor/error.h"
#include "tests/catch.h"

using namespace rill;
namespace fs = std::filesystem;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("rill-report-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::set<std::string> names() const {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(path_)) out.insert(entry.path().filename().string());
    return out;
  }

 private:
  fs::path path_;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string saved(const flow::Report& report) {
  const Folder folder;
  report.save(folder / "report.html");
  return content(folder / "report.html");
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t out = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++out;
  return out;
}

// Whether every element is closed in its turn, every attribute quoted, and no id there twice.
void check_well_formed(const std::string& page) {
  REQUIRE(page.starts_with("<!doctype html>\n"));
  std::vector<std::string> open;
  std::set<std::string> ids;
  for (std::size_t at = page.find('<', 2); at != std::string::npos; at = page.find('<', at)) {
    if (!open.empty() && open.back() == "style") at = page.find("</style>", at);
    const std::size_t start = ++at;
    char quote = 0;
    for (; at < page.size() && (quote || page[at] != '>'); ++at) {
      if (quote ? page[at] == quote : page[at] == '"' || page[at] == '\'') quote = quote ? 0 : page[at];
      if (!quote && page[at] == '=')
        REQUIRE((page[at + 1] == '"' || page[at + 1] == '\'' || page[at + 1] == ' '));
    }
    const std::string tag = page.substr(start, at - start);
    const bool closing = tag[0] == '/';
    const std::string name = tag.substr(closing, tag.find_first_of(" \n\t/", closing) - closing);
    INFO(tag.substr(0, 200));
    if (const auto id = tag.find(" id="); id != std::string::npos)
      CHECK(ids.insert(tag.substr(id, tag.find_first_of("'\"", id + 5) - id)).second);
    if (closing) {
      REQUIRE(!open.empty());
      REQUIRE(open.back() == name);
      open.pop_back();
    } else if (tag.back() != '/' && name != "meta" && name != "link") {
      open.push_back(name);
    }
  }
  CHECK(open.empty());
}

flow::LinePlot decay() {
  return {.title = "Gradient norm",
          .caption = "Falls to the left: it vanishes.",
          .x_label = "time step",
          .y_label = "norm",
          .logarithmic = true,
          .series = {{.name = "tanh, plain",
                      .y = {1e-30, 0.1, 0.5},
                      .lower = {1e-31, 0.01, 0.25},
                      .upper = {1e-29, 0.3, 1}},
                     {.name = "LSTM", .y = {0.25, 1}, .x = {0, 2}}}};
}

flow::Report everything() {
  flow::Report report("Flow", "A lead.");
  report.text("Before any section.");
  report.section("First").add(flow::Table{.title = "Ratios",
                                          .caption = "Small is bad.",
                                          .header = {"cell", "ratio"},
                                          .rows = {{"a \"b\", c", "-1e-9"}, {"d", "2"}}});
  report.add(decay());
  report.section("Second").add(
      flow::HistogramPlot{.title = "Gates",
                          .x_label = "value",
                          .bins = {{.name = "forget", .edges = {0, 0.5, 1}, .counts = {3, 4}}}});
  report.add(flow::HeatMap{.title = "Forget gate",
                           .value_label = "activation",
                           .rows = {{0, 0.5}, {0.75, not_a_number}},
                           .low = 0,
                           .high = 1});
  return report;
}

std::string message(const flow::LinePlot& plot) {
  flow::Report report("title");
  try {
    report.add(plot);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("A report is one well-formed page that asks nothing of a network and runs no script",
          "[flow][report]") {
  const std::string page = saved(everything());
  check_well_formed(page);
  for (const char* part :
       {"<h1>Flow</h1>", "A lead.", "<h2>First</h2>", "<h2>Second</h2>", "Gradient norm",
        "Falls to the left: it vanishes.", "tanh, plain", "prefers-color-scheme: dark", "width=device-width"})
    CHECK_THAT(page, ContainsSubstring(part));
  // Each picture for two widths, and a line in the key for each of the three series.
  CHECK(count(page, "<svg") == 3 * 2 + 3);
  CHECK(count(page, "data:image/png") == 2);
  CHECK(count(page, "<script") == 0);
  // The only addresses are names of the SVG language, which nobody fetches.
  CHECK(count(page, "http") == count(page, "\"http://www.w3.org/"));
  CHECK(count(page, "src=") == 0);
  CHECK(count(page, "@import") == 0);
}

TEST_CASE("A report's colours are left to the style sheet, light or dark", "[flow][report]") {
  const std::string page = saved(everything());
  const std::string svg = page.substr(page.find("<div class=\"wide\">"));
  for (const char* part : {"currentColor", "var(--grid)", "var(--series-1)", "var(--series-2)"})
    CHECK_THAT(svg, ContainsSubstring(part));
  for (const char* part : {"'black'", "\"black\"", "\"white\"", "rgb("}) CHECK(count(svg, part) == 0);
}

TEST_CASE("Text on a report is shown, whatever it holds", "[flow][report]") {
  const std::string nasty =
      "</title><script>alert('1')</script> & \"quoted\" \x01 `rm` $(rm) ';!rm; EOD\nend_of_data";
  flow::Report report(nasty, nasty);
  report.section(nasty).text(nasty);
  report.add(flow::Table{.title = nasty, .caption = nasty, .header = {nasty}, .rows = {{nasty}}});
  auto plot = decay();
  plot.title = plot.caption = plot.x_label = plot.y_label = plot.series[0].name = nasty;
  report.add(plot);
  report.add(flow::HeatMap{.title = nasty,
                           .caption = nasty,
                           .x_label = nasty,
                           .y_label = nasty,
                           .value_label = nasty,
                           .rows = {{1, 2}, {3, 4}}});
  const std::string page = saved(report);
  check_well_formed(page);
  CHECK(count(page, "<script") == 0);
  CHECK(count(page, "\x01") == 0);
  CHECK_THAT(page, ContainsSubstring(
                       "&lt;/title&gt;&lt;script&gt;alert('1')&lt;/script&gt; &amp; &quot;quoted&quot;"));
}

TEST_CASE("Beside a report lie the numbers of each table and picture as CSV", "[flow][report]") {
  const Folder folder;
  everything().save(folder / "run 1.html");
  CHECK(folder.names() == std::set<std::string>{"run 1.html", "run 1.json", "run 1-1-ratios.csv",
                                                "run 1-2-gradient-norm.csv", "run 1-3-gates.csv",
                                                "run 1-4-forget-gate.csv"});
  CHECK(content(folder / "run 1-1-ratios.csv") == "cell,ratio\n\"a \"\"b\"\", c\",-1e-9\nd,2\n");
  CHECK(content(folder / "run 1-2-gradient-norm.csv") ==
        "series,x,y,lower,upper\n\"tanh, plain\",0,1e-30,1e-31,1e-29\n\"tanh, plain\",1,0.1,0.01,0.3\n"
        "\"tanh, plain\",2,0.5,0.25,1\nLSTM,0,0.25,,\nLSTM,2,1,,\n");
  CHECK(content(folder / "run 1-3-gates.csv") == "series,from,to,count\nforget,0,0.5,3\nforget,0.5,1,4\n");
  CHECK(content(folder / "run 1-4-forget-gate.csv") ==
        "row,column,value\n0,0,0\n0,1,0.5\n1,0,0.75\n1,1,nan\n");
  CHECK_THAT(content(folder / "run 1.html"), ContainsSubstring("href=\"run%201-2-gradient-norm.csv\""));
}

TEST_CASE("Beside a report lies all of it as JSON, to the last bit", "[flow][report]") {
  const Folder folder;
  auto report = everything();
  report.add(
      flow::LinePlot{.title = "Thirds", .series = {{.name = "s", .y = {1.0 / 3, not_a_number, infinity}}}});
  report.save(folder / "r.html");
  const auto json = nlohmann::json::parse(content(folder / "r.json"));
  CHECK(json["title"] == "Flow");
  CHECK(json["lead"] == "A lead.");
  REQUIRE(json["sections"].size() == 3);
  CHECK(json["sections"][0]["items"][0]["text"] == "Before any section.");
  const auto& first = json["sections"][1];
  CHECK(first["title"] == "First");
  CHECK(first["items"][0]["rows"][1] == std::vector<std::string>{"d", "2"});
  const auto& lines = first["items"][1];
  CHECK(lines["kind"] == "lines");
  CHECK(lines["logarithmic"] == true);
  CHECK(lines["series"][0]["upper"] == std::vector<double>{1e-29, 0.3, 1});
  CHECK(lines["series"][0]["x"] == std::vector<double>{0, 1, 2});
  CHECK(lines["series"][1]["y"] == std::vector<double>{0.25, 1});
  const auto& second = json["sections"][2]["items"];
  CHECK(second[0]["series"][0]["counts"] == std::vector<double>{3, 4});
  CHECK(second[1]["rows"][1][0] == 0.75);
  CHECK(second[1]["rows"][1][1].is_null());
  CHECK(second[2]["series"][0]["y"][0] == 1.0 / 3);
  CHECK(second[2]["series"][0]["y"][2].is_null());
}

TEST_CASE("What has no place on an axis leaves a gap, and the report says so", "[flow][report]") {
  flow::Report report("Gaps");
  auto plot = decay();
  plot.series = {{.name = "s", .y = {1, 0.1, 0, 0.01, -1, 0.1, 1, not_a_number, infinity}}};
  report.add(plot);
  const std::string page = saved(report);
  CHECK_THAT(page, ContainsSubstring("Not drawn: 4 of 9 values (2 NaN or infinite, 2 too small for a "
                                     "logarithmic axis)."));
  // In each of the two drawings the lone value is a dot, and two pairs are joined.
  CHECK(count(page, "<circle") == 2);
  const auto stroke = page.find("stroke='var(--series-1)'");
  REQUIRE(stroke != std::string::npos);
  const auto path = page.find(" d='", stroke) + 4;
  CHECK(count(page.substr(path, page.find('\'', path) - path), "L") == 2);

  plot.logarithmic = false;
  plot.series[0].y = {1, 0, -1};
  CHECK(count(saved(flow::Report("All drawn").add(plot)), "Not drawn") == 0);
  const flow::HeatMap map{.title = "m", .rows = {{1, not_a_number}, {infinity, 2}}};
  CHECK_THAT(saved(flow::Report("Holes").add(map)), ContainsSubstring("Left empty: 2 of 4 cells"));
}

TEST_CASE("A run that diverged at once still has its report", "[flow][report]") {
  flow::Report report("Diverged");
  report.add(flow::LinePlot{
      .title = "loss", .logarithmic = true, .series = {{.name = "s", .y = {not_a_number, 0, infinity}}}});
  report.add(
      flow::HeatMap{.title = "gates", .rows = {{not_a_number, not_a_number}, {not_a_number, not_a_number}}});
  const std::string page = saved(report);
  check_well_formed(page);
  CHECK(count(page, "Nothing can be drawn") == 2);
}

TEST_CASE("Constant, single, tiny and huge values can be drawn", "[flow][report]") {
  for (const bool logarithmic : {false, true})
    for (const auto& y :
         {std::vector<double>{3}, {2, 2, 2}, {1e-300, 1e300}, {5e-324, 1}, {1e-17, 1 + 1e-16}}) {
      CAPTURE(y, logarithmic);
      const flow::LinePlot plot{.title = "p", .logarithmic = logarithmic, .series = {{.name = "s", .y = y}}};
      CHECK(count(saved(flow::Report("r").add(plot)), "var(--series-1)") >= 3);
    }
  const flow::HeatMap constant{.title = "m", .rows = {{-2, -2}, {-2, -2}}};
  CHECK(count(saved(flow::Report("r").add(constant)), "<image") == 2);
}

TEST_CASE("A y axis may begin above what lies far below", "[flow][report]") {
  flow::LinePlot plot{.title = "p", .low = -4, .series = {{.name = "s", .y = {0, -1, -170}}}};
  const auto has_label = [](const std::string& page, const char* number) {
    return page.find(std::string(">") + number + "</tspan>") != std::string::npos;
  };
  const std::string cut = saved(flow::Report("r").add(plot));
  CHECK((has_label(cut, "-4") && !has_label(cut, "-100")));
  plot.low.reset();
  const std::string whole = saved(flow::Report("r").add(plot));
  CHECK((!has_label(whole, "-4") && has_label(whole, "-100")));
}

TEST_CASE("Every one of 35 series differs by colour or by dash", "[flow][report]") {
  flow::LinePlot plot{.title = "many"};
  for (int i = 0; i < 35; ++i) plot.series.push_back({.name = std::to_string(i), .y = {0.0, 1.0 * i}});
  const std::string page = saved(flow::Report("r").add(plot));
  std::set<std::string> styles;
  for (auto at = page.find("<path d=\"M0 5H30\""); at != std::string::npos;
       at = page.find("<path d=\"M0 5H30\"", at + 1))
    styles.insert(page.substr(at, page.find("/>", at) - at));
  CHECK(styles.size() == 35);
}

TEST_CASE("A picture that cannot be is refused in one sentence", "[flow][report]") {
  CHECK(message({.title = "p"}) == "line plot \"p\" has no series");
  CHECK(message({.title = "p", .series = {{.name = "s", .y = {}}}}) ==
        "line plot \"p\": series \"s\" is empty");
  CHECK(message({.title = "p", .series = {{.name = "s", .y = {1, 2}, .x = {1}}}}) ==
        "line plot \"p\": series \"s\" has 1 values in x; expected 2");
  CHECK(message({.title = "p", .series = {{.name = "s", .y = {1}, .x = {not_a_number}}}}) ==
        "line plot \"p\": series \"s\" has an x that is not finite");
  CHECK(message({.title = "p", .series = {{.name = "s", .y = {1}, .lower = {0}}}}) ==
        "line plot \"p\": series \"s\" has 0 values in upper; expected 1");

  CHECK(message({.title = "p", .logarithmic = true, .low = 0, .series = {{.name = "s", .y = {1}}}}) ==
        "line plot \"p\": the y axis cannot begin at 0");

  flow::Report report("r");
  using flow::Bins;
  for (const Bins& bins : {Bins{.name = "b"}, Bins{.name = "b", .edges = {0, 1}, .counts = {1, 2}},
                           Bins{.name = "b", .edges = {0, 0}, .counts = {1}},
                           Bins{.name = "b", .edges = {0, not_a_number}, .counts = {1}},
                           Bins{.name = "b", .edges = {0, 1}, .counts = {-1}},
                           Bins{.name = "b", .edges = {0, 1}, .counts = {not_a_number}}})
    CHECK_THROWS_AS(report.add(flow::HistogramPlot{.title = "h", .bins = {bins}}), ValueError);
  CHECK_THROWS_AS(report.add(flow::HistogramPlot{.title = "h"}), ValueError);
  for (const auto& rows :
       std::vector<std::vector<std::vector<double>>>{{}, {{1, 2}}, {{1}, {2}}, {{1, 2}, {1}}})
    CHECK_THROWS_AS(report.add(flow::HeatMap{.title = "m", .rows = rows}), ValueError);
  CHECK_THROWS_AS(report.add(flow::HeatMap{.title = "m", .rows = {{1, 2}, {3, 4}}, .low = 2, .high = 1}),
                  ValueError);
  CHECK_THROWS_AS(report.add(flow::HeatMap{.title = "m", .rows = {{1, 2}, {3, 4}}, .low = not_a_number}),
                  ValueError);
  CHECK_THROWS_WITH(report.add(flow::Table{.title = "t", .header = {"a", "b"}, .rows = {{"1"}}}),
                    "table \"t\" has a row of 1 cells under a header of 2");
  CHECK_THROWS_WITH(report.add(flow::Table{.title = "t", .header = {"a"}}), "table \"t\" is empty");
  CHECK(report.sections().empty());
}

TEST_CASE("A report that cannot be written says why and leaves nothing half done", "[flow][report]") {
  const Folder folder;
  CHECK_THROWS_WITH(everything().save("report.txt"), "report: \"report.txt\" does not end in .html");
  CHECK_THROWS_AS(everything().save(folder / "nowhere/r.html"), FileError);
  CHECK_THROWS_WITH(flow::Report::check_path("report.txt"), "report: \"report.txt\" does not end in .html");
  CHECK_THROWS_AS(flow::Report::check_path(folder / "nowhere/r.html"), FileError);

  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (folder / "empty").c_str(), 1);
  try {
    CHECK_THROWS_AS(everything().save(folder / "r.html"), FileError);
    CHECK_THROWS_WITH(everything().save(folder / "r.html"),
                      ContainsSubstring("gnuplot") && ContainsSubstring("gnuplot-nox"));
    // Text and tables need no gnuplot.
    flow::Report plain("plain");
    plain.text("text");
    CHECK_NOTHROW(plain.save(folder / "plain.html"));
  } catch (...) {
    ::setenv("PATH", path.c_str(), 1);
    throw;
  }
  ::setenv("PATH", path.c_str(), 1);
  CHECK(folder.names() == std::set<std::string>{"plain.html", "plain.json"});
}
