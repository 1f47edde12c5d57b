#include "rill/tensor/dims.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/catch.h"

using rill::Dims;

namespace {

Dims rising(int size) {
  Dims dims(size, 0);
  std::iota(dims.begin(), dims.end(), 1);
  return dims;
}

bool holds(const Dims& dims, const std::vector<std::int64_t>& values) {
  return std::equal(dims.begin(), dims.end(), values.begin(), values.end());
}

}  // namespace

TEST_CASE("lists of any length are copied, moved and assigned over lists of any length", "[tensor][dims]") {
  for (int from = 0; from < 12; ++from)
    for (int to = 0; to < 12; ++to) {
      CAPTURE(from, to);
      const Dims source = rising(from);
      Dims copied = source;
      CHECK(copied == source);
      Dims assigned(to, -1);
      assigned = source;
      CHECK(assigned == source);
      Dims moved_to(to, -1);
      moved_to = std::move(copied);
      CHECK(moved_to == source);
      CHECK(copied.empty());  // NOLINT: what a list that was moved from holds
      copied = source;
      Dims made(std::move(copied));
      made.push_back(7);
      CHECK(made.size() == from + 1);
      CHECK(made.back() == 7);
      CHECK(source == rising(from));
    }
}

TEST_CASE("a list grows and shrinks at any place", "[tensor][dims]") {
  Dims dims;
  std::vector<std::int64_t> expected;
  for (int i = 0; i < 10; ++i) {
    const int place = i / 2;
    dims.insert(place, i);
    expected.insert(expected.begin() + place, i);
    REQUIRE(holds(dims, expected));
  }
  for (int i = 0; i < 10; ++i) {
    const int place = (dims.size() - 1) / 2;
    dims.erase(place);
    expected.erase(expected.begin() + place);
    REQUIRE(holds(dims, expected));
  }
  dims.resize(6);
  CHECK(holds(dims, {0, 0, 0, 0, 0, 0}));
  Dims& same = dims;
  dims = same;
  CHECK(dims.size() == 6);
}
