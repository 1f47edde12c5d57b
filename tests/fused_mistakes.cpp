// Lambdas that `fused` refuses, one for each value of MISTAKE: ctest compiles each and reads what the
// compiler says.

#include <rill/rill.h>

using namespace rill;

Tensor mistake(const Tensor& a, const Tensor& b) {
#if MISTAKE == 1  // as many arguments as tensors
  return fused([](auto x) { return x; }, a, b);
#elif MISTAKE == 2  // arguments of any type
  return fused([](float x, float y) { return x * y; }, a, b);
#elif MISTAKE == 3  // a tensor from outside
  return fused([b](auto x) { return x * b; }, a);
#elif MISTAKE == 4  // no value
  return fused([](auto x, auto y) { static_cast<void>(x * y); }, a, b);
#elif MISTAKE == 5  // a condition is no value
  return fused([](auto x, auto y) { return x > y; }, a, b);
#elif MISTAKE == 6  // not to be called with tensors
  return fused(
      [](auto x) requires(!std::same_as<decltype(x), Tensor>) { return x + x; }, a);
#endif
}
