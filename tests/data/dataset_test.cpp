#include "rill/data/dataset.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "tests/catch.h"

namespace {

using namespace rill;
using Labels = std::vector<std::int64_t>;

// Sample i has the features [i, i + 1] / 255 and the label i.
data::Dataset numbered(std::uint8_t size) {
  std::vector<std::uint8_t> features;
  std::vector<std::uint8_t> labels;
  for (std::uint8_t i = 0; i < size; ++i) {
    features.insert(features.end(), {i, static_cast<std::uint8_t>(i + 1)});
    labels.push_back(i);
  }
  return data::Dataset::from_bytes(std::move(features), {2}, std::move(labels));
}

Labels labels_of(const data::Dataset& dataset) {
  return dataset.rows(0, dataset.size()).targets.to_vector<std::int64_t>();
}

template <class E>
std::string message(const auto& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "no such error";
}

}  // namespace

TEST_CASE("a batch of bytes is float32 from 0 to 1 with int64 labels", "[data]") {
  const auto dataset = data::Dataset::from_bytes({0, 51, 128, 255}, {1, 2}, {3, 250});
  const auto [features, targets] = dataset.rows(0, 2);
  CHECK(features.shape() == Shape{2, 1, 2});
  CHECK(features.dtype() == DType::float32);
  CHECK(features.to_vector<float>() == std::vector<float>{0.0F, 51.0F / 255.0F, 128.0F / 255.0F, 1.0F});
  CHECK(targets.shape() == Shape{2});
  CHECK(targets.to_vector<std::int64_t>() == Labels{3, 250});
  CHECK(dataset.feature_shape() == Shape{1, 2});
  CHECK(dataset.target_shape() == Shape{});
}

TEST_CASE("a dataset keeps bytes, and what is made from it shares them", "[data]") {
  const std::int64_t before = memory_statistics().in_use;
  const auto dataset = data::Dataset::from_bytes(std::vector<std::uint8_t>(784'000), {28, 28},
                                                 std::vector<std::uint8_t>(1000));
  CHECK(dataset.bytes() == 785'000);
  CHECK(memory_statistics().in_use == before);
  for (const data::Batch& batch : dataset.batches(32)) {
    CHECK(batch.features.dtype() == DType::float32);
    CHECK(memory_statistics().in_use - before < 2 * 32 * 784 * 4);
  }
  CHECK(memory_statistics().in_use == before);
}

TEST_CASE("a dataset of tensors keeps their dtypes and shapes", "[data]") {
  const data::Dataset dataset(tensor({{1, 2}, {3, 4}, {5, 6}}, DType::float64),
                              Tensor::from(std::vector<float>{7, 8, 9}, {3, 1}));
  CHECK(dataset.size() == 3);
  const auto [features, targets] = dataset.skip(1).rows(0, 2);
  CHECK(features.dtype() == DType::float64);
  CHECK(features.to_vector<double>() == std::vector<double>{3, 4, 5, 6});
  CHECK(targets.shape() == Shape{2, 1});
  CHECK(targets.to_vector<float>() == std::vector<float>{8, 9});
}

TEST_CASE("batches cover a dataset in order, the last one smaller", "[data][batches]") {
  const auto dataset = numbered(10);
  Labels seen;
  Labels sizes;
  for (const auto& [features, labels] : dataset.batches(4)) {
    CHECK(features.size(0) == labels.size(0));
    sizes.push_back(labels.size(0));
    for (const std::int64_t label : labels.span<std::int64_t>()) seen.push_back(label);
  }
  CHECK(sizes == Labels{4, 4, 2});
  CHECK(seen == labels_of(dataset));
  CHECK(dataset.batches(4).size() == 3);
  CHECK(dataset.batches(4).samples() == 10);
}

TEST_CASE("the last, smaller batch may be dropped", "[data][batches]") {
  const auto batches = numbered(10).batches(4, {.drop_last = true});
  CHECK(batches.size() == 2);
  CHECK(batches.samples() == 8);
  CHECK(std::distance(batches.begin(), batches.end()) == 2);
  CHECK(numbered(8).batches(4, {.drop_last = true}).size() == 2);
  CHECK(numbered(3).batches(4, {.drop_last = true}).size() == 0);
}

TEST_CASE("batches outlive the dataset they were made from", "[data][batches]") {
  std::int64_t sum = 0;
  for (const auto& [features, labels] : numbered(10).shuffled().take(6).batches(4))
    for (const std::int64_t label : labels.span<std::int64_t>()) sum += label >= 0;
  CHECK(sum == 6);
}

TEST_CASE("an empty dataset has no batches", "[data][batches]") {
  CHECK(numbered(0).batches(4).size() == 0);
  CHECK(numbered(0).shuffled().size() == 0);
  CHECK(numbered(5).take(0).batches(4).size() == 0);
}

TEST_CASE("batch i can be had without those before it", "[data][batches]") {
  CHECK(numbered(10).batches(4)[2].targets.to_vector<std::int64_t>() == Labels{8, 9});
  CHECK(numbered(10)[7].targets.to_vector<std::int64_t>() == Labels{7});
  CHECK(numbered(10)[7].features.shape() == Shape{1, 2});
}

TEST_CASE("shuffling keeps every sample once and its label with it", "[data][shuffle]") {
  Generator generator(7);
  const auto shuffled = numbered(100).shuffled(generator);
  Labels labels = labels_of(shuffled);
  CHECK(labels != labels_of(numbered(100)));
  const auto [features, targets] = shuffled.rows(0, 100);
  for (std::size_t i = 0; i < 100; ++i)
    CHECK(features.span<float>()[2 * i] == static_cast<float>(labels[i]) / 255.0F);
  std::sort(labels.begin(), labels.end());
  CHECK(labels == labels_of(numbered(100)));
}

TEST_CASE("the same seed shuffles the same way, the next shuffle another", "[data][shuffle]") {
  const auto dataset = numbered(100);
  Generator one(7);
  Generator two(7);
  const Labels first = labels_of(dataset.shuffled(one));
  CHECK(first == labels_of(dataset.shuffled(two)));
  CHECK(first != labels_of(dataset.shuffled(one)));

  seed(3);
  const Labels by_default = labels_of(dataset.shuffled());
  seed(3);
  CHECK(by_default == labels_of(dataset.shuffled()));
}

TEST_CASE("selections and shuffles may be chained", "[data][shuffle]") {
  Generator generator(7);
  const auto shuffled = numbered(20).skip(5).take(10).shuffled(generator);
  Labels labels = labels_of(shuffled.skip(2));
  const Labels front = labels_of(shuffled.take(2));
  labels.insert(labels.end(), front.begin(), front.end());
  std::sort(labels.begin(), labels.end());
  CHECK(labels == Labels{5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
  Labels twice = labels_of(shuffled.shuffled(generator));
  std::sort(twice.begin(), twice.end());
  CHECK(twice == labels);
}

TEST_CASE("take and skip stop at the end", "[data]") {
  CHECK(numbered(3).take(5).size() == 3);
  CHECK(numbered(3).skip(5).size() == 0);
  CHECK(labels_of(numbered(5).skip(3)) == Labels{3, 4});
}

TEST_CASE("a sample of bytes may have several labels", "[data]") {
  const auto dataset = data::Dataset::from_bytes({0, 255}, {1}, {1, 2, 3, 4, 5, 6}, {3});
  CHECK(dataset.size() == 2);
  CHECK(dataset.target_shape() == Shape{3});
  CHECK(dataset[1].targets.shape() == Shape{1, 3});
  CHECK(dataset[1].targets.to_vector<std::int64_t>() == Labels{4, 5, 6});
}

TEST_CASE("features may be read in another shape and order, of which nothing is copied", "[data]") {
  const auto dataset = data::Dataset::from_bytes({0, 51, 102, 153, 204, 255}, {3}, {7, 8});
  const auto reversed = dataset.rearranged({3, 1}, {2, 1, 0});
  CHECK(reversed.feature_shape() == Shape{3, 1});
  CHECK(reversed.bytes() == dataset.bytes());
  const auto [features, targets] = reversed.rows(0, 2);
  CHECK(features.shape() == Shape{2, 3, 1});
  CHECK(features.to_vector<float>() == std::vector<float>{0.4F, 0.2F, 0.0F, 1.0F, 0.8F, 0.6F});
  CHECK(targets.to_vector<std::int64_t>() == Labels{7, 8});
  CHECK(dataset[0].features.to_vector<float>() == std::vector<float>{0.0F, 0.2F, 0.4F});
  CHECK(reversed.rearranged({2}, {0, 0})[1].features.to_vector<float>() == std::vector<float>{1.0F, 1.0F});

  Generator one(5), two(5);
  CHECK(reversed.shuffled(one).skip(1)[0].features.to_vector<float>() ==
        dataset.shuffled(two).skip(1).rearranged({3, 1}, {2, 1, 0})[0].features.to_vector<float>());
  CHECK(reversed.rows(1, 1).features.shape() == Shape{0, 3, 1});
}

TEST_CASE("rearranging keeps every dtype", "[data]") {
  const std::vector<std::int64_t> order{1, 0};
  const data::Dataset doubles(tensor({{1, 2}, {3, 4}}, DType::float64), zeros({2}));
  CHECK(doubles.rearranged({2}, order).rows(0, 2).features.to_vector<double>() ==
        std::vector<double>{2, 1, 4, 3});
  const data::Dataset integers(tensor({{1, 2}, {3, 4}}, DType::int64), zeros({2}));
  CHECK(integers.rearranged({2}, order)[1].features.span<std::int64_t>()[0] == 4);
}

TEST_CASE("a dataset refuses what does not fit, saying what", "[data][errors]") {
  CHECK(message<ShapeError>([] {
          data::Dataset(zeros({3, 2}), zeros({4}));
        }) == "Dataset: features [3, 2] and targets [4]: 3 samples and 4 differ");
  CHECK(message<ShapeError>([] { data::Dataset(zeros({}), zeros({4})); }) ==
        "Dataset: the features are a scalar; their first axis counts samples");
  CHECK(message<ValueError>([] { data::Dataset(Tensor(), zeros({4})); }) ==
        "Dataset: the features hold no value");
  CHECK(message<ValueError>([] { data::Dataset(zeros({4}), Tensor()); }) ==
        "Dataset: the targets hold no value");
  CHECK(message<ShapeError>([] {
          data::Dataset::from_bytes({1, 2, 3}, {2}, {0});
        }) == "Dataset: 3 bytes are not 1 samples of shape [2]");
  CHECK(message<ShapeError>([] {
          data::Dataset::from_bytes({1, 2}, {1}, {1, 2, 3}, {2});
        }) == "Dataset: 3 labels are not of shape [2] each");
  CHECK(message<ShapeError>([] {
          numbered(3).rearranged({3}, {0, 1});
        }) == "Dataset.rearranged: an order of 2 elements for a sample of shape [3]");
  CHECK(message<ValueError>([] {
          numbered(3).rearranged({2}, {0, 2});
        }) == "Dataset.rearranged: no element 2 in a sample of shape [2]");
  CHECK(message<ValueError>([] { numbered(3).batches(0); }) ==
        "Dataset.batches: a batch of 0 samples; at least 1 is needed");
  CHECK(message<ValueError>([] { numbered(3).take(-1); }) ==
        "Dataset.take: -1 samples; the number must not be negative");
  CHECK(message<ValueError>([] { numbered(3)[3]; }) == "Dataset: no sample 3 among 3");
  CHECK(message<ValueError>([] { numbered(3).rows(2, 4); }) ==
        "Dataset.rows: 2 to 4 is not a range within 3 samples");
  CHECK(message<ValueError>([] { numbered(3).batches(2)[2]; }) == "Batches: no batch 2 among 2");
}
