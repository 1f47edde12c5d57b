#include <rill/data/dataset.h>
#include <rill/data/image.h>
#include <rill/rill.h>

#include <cstdio>

// The libraries that pictures are read by are found and linked, too.
bool refuses_missing_picture() {
  try {
    rill::data::load_image("no such picture", 1, 1);
  } catch (const rill::FileError&) {
    return true;
  }
  return false;
}

// The slope of x^2 + 3x at 2.
int main() {
  rill::Tape tape;
  const rill::Tensor x = tape.watch(rill::full({2}, 2.0));
  const rill::Tensor y = rill::sum(x * x + 3 * x);
  const rill::Tensor slope = tape.gradient(y, x);
  const rill::data::Dataset dataset(x, slope);
  std::printf("%g\n", dataset[1].targets.item());
  return dataset[1].targets.item() == 7 && refuses_missing_picture() ? 0 : 1;
}
