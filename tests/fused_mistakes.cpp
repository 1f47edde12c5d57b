// Lambdas that `fused` refuses, one for each value of MISTAKE: ctest compiles each and reads what the
// compiler says.

#include <rill/rill.h>

using namespace rill;

struct Scaled {
  double factor = 2;
  Tensor operator()(const Tensor& a) const {
#if MISTAKE == 7  // by `this`
    return fused([this](auto x) { return x * factor; }, a);
#else
    return fused([k = factor](auto x) { return x * k; }, a);
#endif
  }
};

Tensor mistake(const Tensor& a, const Tensor& b) {
#if MISTAKE == 1  // as many arguments as tensors
  return fused([](auto x) { return x; }, a, b);
#elif MISTAKE == 2   // arguments of any type
  return fused([](float x, float y) { return x * y; }, a, b);
#elif MISTAKE == 3   // a tensor from outside
  return fused([b](auto x) { return x * b; }, a);
#elif MISTAKE == 4   // no value
  return fused([](auto x, auto y) { static_cast<void>(x * y); }, a, b);
#elif MISTAKE == 5   // a condition is no value
  return fused([](auto x, auto y) { return x > y; }, a, b);
#elif MISTAKE == 6   // not to be called in the third reading
  return fused(
      [](auto x) requires(!std::same_as<decltype(x), fuse::Term>) { return x + x; }, a);
#elif MISTAKE == 7   // above
  return Scaled()(a);
#elif MISTAKE == 8   // by reference, of which nothing is left when the gradient is asked for
  double k = 2;
  return fused([&](auto x) { return x * k; }, a);
#elif MISTAKE == 9   // a reference among numbers
  double k = 2, s = 3;
  return fused([&k, s](auto x) { return x * k + s; }, a);
#elif MISTAKE == 10  // a pointer
  const double k[] = {2, 3};
  return fused([p = &k[0]](auto x) { return x * p[0] + p[1]; }, a);
#elif MISTAKE == 11  // a reference within what is captured by value
  double k = 2;
  auto scaled = [&k](auto x) { return x * k; };
  return fused([scaled](auto x) { return scaled(x); }, a);
#elif MISTAKE == 12  // what refers to its elements
  const std::vector<double> k = {2, 3};
  return fused([s = std::span(k)](auto x) { return x * s[0]; }, a);
#elif MISTAKE == 13  // a dependence that the variable did not have when it was made
  return fused(
      [](auto x, auto y) {
        auto sum = x;
        sum += y;
        return sum;
      },
      a, b);
#elif MISTAKE == 14  // a number that is to become a value
  return fused(
      [](auto x) {
        double sum = 0;
        sum += x;
        return sum;
      },
      a);
#endif
}
