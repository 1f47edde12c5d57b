#include "rill/autograd/transforms.h"

#include "rill/autograd/ops.h"
#include "rill/autograd/tape.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"

namespace rill {
namespace {

Tensor or_zeros(Tensor gradient, const Tensor& like) {
  return gradient.defined() ? gradient : zeros_like(like);
}

Shape joined(const Shape& a, const Shape& b) {
  Shape out = a;
  for (auto size : b) out.push_back(size);
  return out;
}

}  // namespace

Function grad(Function f) {
  detail::require_function("grad", f);
  return [f = std::move(f)](const Tensor& x) { return value_and_grad(f, x).gradient; };
}

ValueAndGradient value_and_grad(const Function& f, const Tensor& x) {
  detail::require_function("value_and_grad", f);
  Tape tape;
  const Tensor source = tape.watch(x);
  Tensor value = f(source);
  Tensor gradient = or_zeros(tape.gradient(value, source), x);
  return {std::move(value), std::move(gradient)};
}

ValueAndGradient vjp(const Function& f, const Tensor& x, const Tensor& cotangent) {
  detail::require_function("vjp", f);
  detail::require_values("vjp", x, cotangent);
  Tape tape;
  const Tensor source = tape.watch(x);
  Tensor value = f(source);
  Tensor gradient = or_zeros(tape.gradient({value, cotangent}, source), x);
  return {std::move(value), std::move(gradient)};
}

Tensor jvp(const Function& f, const Tensor& x, const Tensor& tangent) {
  detail::require_function("jvp", f);
  detail::require_values("jvp", x, tangent);
  Tape outer;
  Tensor cotangent, pulled_back;
  {
    Tape inner;  // which ends here, so that the outer one's sweep is not recorded
    const Tensor source = inner.watch(x);
    const Tensor value = f(source);
    cotangent = outer.watch(zeros_like(value));
    pulled_back = or_zeros(inner.gradient({value, cotangent}, source), x);
  }
  return or_zeros(outer.gradient({pulled_back, tangent}, cotangent), cotangent);
}

Tensor jacobian(const Function& f, const Tensor& x) {
  detail::require_function("jacobian", f);
  Tape tape;
  const Tensor source = tape.watch(x);
  const Tensor value = f(source);
  const Tensor directions =
      reshape(eye(value.count(), value.dtype()), joined({value.count()}, value.shape()));
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < value.count(); ++i)
    rows.push_back(or_zeros(tape.gradient({value, select(directions, 0, i)}, source), x));
  const Shape shape = joined(value.shape(), x.shape());
  return rows.empty() ? zeros(shape, x.dtype()) : reshape(stack(rows), shape);
}

Tensor hessian(const Function& f, const Tensor& x) { return jacobian(grad(f), x); }

Tensor hvp(const Function& f, const Tensor& x, const Tensor& tangent) {
  detail::require_values("hvp", x, tangent);
  return vjp(grad(f), x, tangent).gradient;
}

std::vector<Gradients> per_example_gradients(const std::function<Tensor(std::int64_t)>& loss,
                                             std::int64_t examples) {
  detail::require_function("per_example_gradients", loss);
  std::vector<Gradients> out;
  for (std::int64_t i = 0; i < examples; ++i) {
    Tape tape;
    out.push_back(tape.gradient(loss(i)));
  }
  return out;
}

}  // namespace rill
