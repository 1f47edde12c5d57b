#!/usr/bin/env python3
"""Operations at awkward points: values and first gradients, in float64. No ties and no infinities."""

import torch
import torch.nn.functional as F

from common import cotangent_like, fixed, tensor, tensors, write

CONVENTIONS = {
    "gradients": "of sum(output * cotangent) with respect to every one of inputs",
    "constants": "operands that are not differentiated: indices",
    "axes": "null: over all elements",
    "variance, standard_deviation": "divide by the number of elements less `correction`",
    "softplus": "log(1 + exp(x)) without a threshold",
    "gelu": "x (1 + erf(x / sqrt(2))) / 2",
    "gather": "output[i, j] = x[i, index[i, j]] for axis 1, x[index[i, j], j] for axis 0",
    "scatter_add": "x with source added: output[i, index[i, j]] += source[i, j] for axis 1; indices repeat",
    "layer_norm": "over the last axis, biased variance, epsilon inside of the root",
}


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def case(op, function, inputs, constants=None, seed=900, name=None, **options):
    for value in inputs.values():
        value.requires_grad_()
    output = function(*inputs.values())
    cotangent = cotangent_like(output, seed)
    (output * cotangent).sum().backward()
    return {"op": op, "name": name or op, "options": options, "inputs": tensors(inputs),
            "constants": tensors(constants or {}), "output": tensor(output), "cotangent": tensor(cotangent),
            "gradients": tensors({key: value.grad for key, value in inputs.items()})}


def unary():
    wide = lambda: double(-750.0, -40.0, -20.5, -3.0, -1.0, -1e-3, -1e-12, 0.0, 1e-12, 1e-3, 0.5, 3.0, 20.5, 40.0, 750.0)
    moderate = lambda: double(-6.0, -3.5, -1.0, -0.25, -1e-9, 0.0, 1e-9, 1e-4, 0.75, 2.0, 5.5)
    positive = lambda: double(1e-300, 1e-12, 0.1, 1.0, 2.5, 1e6, 1e200)
    above_minus_one = lambda: double(-0.999999, -0.5, -1e-10, -1e-17, 0.0, 1e-17, 1e-10, 1e-4, 1.0, 1e10)
    for name, function, points in [
            ("sigmoid", torch.sigmoid, wide), ("tanh", torch.tanh, wide),
            ("softplus", lambda x: torch.logaddexp(x, torch.zeros_like(x)), wide),
            ("gelu", F.gelu, wide), ("elu", F.elu, wide), ("erf", torch.erf, moderate), ("exp", torch.exp, moderate),
            ("expm1", torch.expm1, lambda: above_minus_one()[:-1]), ("log1p", torch.log1p, above_minus_one),
            ("log", torch.log, positive), ("sqrt", torch.sqrt, positive), ("rsqrt", torch.rsqrt, lambda: positive()[1:]),
            ("sin", torch.sin, moderate), ("cos", torch.cos, moderate)]:
        yield case(name, function, {"x": points()})
    yield case("leaky_relu", lambda x: F.leaky_relu(x, 0.2), {"x": double(-750.0, -1.0, -1e-12, 1e-12, 2.0, 750.0)},
               slope=0.2)
    yield case("elu", lambda x: F.elu(x, 1.5), {"x": moderate()}, name="elu with another alpha", alpha=1.5)
    for exponent in (2.0, 3.0, -1.0, 0.5):
        base = double(0.3, 1.0, 4.0) if exponent == 0.5 else double(-2.0, -0.3, 0.3, 1.0, 4.0)
        yield case("pow", lambda x: x ** exponent, {"x": base}, name=f"pow {exponent}", exponent=exponent)
    yield case("pow", torch.pow, {"x": double(0.3, 1.0, 4.0), "exponent": double(-1.5, 0.0, 2.5)},
               name="pow of two tensors")


def normalised():
    large = lambda: torch.stack([double(1000.0, 1000.5, -1000.0), double(-1e4, -1e4 + 1, -1e4 - 1),
                                 double(0.0, 0.0, 0.0), double(700.0, -745.0, 0.1)])
    for axis in (1, 0):
        yield case("logsumexp", lambda x: torch.logsumexp(x, axis), {"x": large()}, axes=[axis])
        yield case("softmax", lambda x: torch.softmax(x, axis), {"x": large()}, axis=axis)
        yield case("log_softmax", lambda x: torch.log_softmax(x, axis), {"x": large()}, axis=axis)
    yield case("logsumexp", lambda x: torch.logsumexp(x, (0, 1)), {"x": large()}, axes=None)
    for epsilon in (1e-5, 1e-3):
        yield case("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b, epsilon),
                   {"x": torch.cat([fixed((3, 4), 7, -2, 2), fixed((1, 4), 8) * 1e-2 + 10.0]),
                    "scale": fixed((4,), 9), "shift": fixed((4,), 10)}, epsilon=epsilon)


def cumulative():
    x = lambda: fixed((2, 3, 4), 20, -2, 2)
    for axis in (0, 1, 2):
        yield case("cumsum", lambda x: torch.cumsum(x, axis), {"x": x()}, axis=axis)
    zeros = {"no zero": [], "one zero": [(0, 1)], "two zeros in a row": [(0, 1), (0, 3)],
             "a zero in every row": [(0, 0), (1, 3), (2, 2)]}
    for name, places in zeros.items():
        def value():
            result = fixed((3, 4), 21, -2, 2)
            for place in places:
                result[place] = 0.0
            return result
        yield case("prod", lambda x: torch.prod(x, 1), {"x": value()}, name=f"prod along 1, {name}", axes=[1])
        yield case("prod", lambda x: torch.prod(x), {"x": value()}, name=f"prod of all, {name}", axes=None)


def statistics():
    x = lambda: fixed((3, 4, 2), 30, -2, 2)
    offset = lambda: fixed((3, 4, 2), 31) * 1e-2 + 1e6
    for name, function in [("variance", torch.var), ("standard_deviation", torch.std)]:
        for correction in (0, 1):
            for axes in (None, [1], [0, 2]):
                dim = tuple(axes) if axes else (0, 1, 2)
                yield case(name, lambda x: function(x, dim, correction=correction), {"x": x()}, axes=axes,
                           correction=correction, keepdims=False)
        yield case(name, lambda x: function(x, (1,), correction=1, keepdim=True), {"x": x()}, axes=[1],
                   correction=1, keepdims=True)
        yield case(name, lambda x: function(x, (1,), correction=1), {"x": offset()}, axes=[1], correction=1,
                   keepdims=False, name=f"{name} far from 0 (to 1e-6 relative)")
    for axes in (None, [1], [0, 2]):
        dim = tuple(axes) if axes else None
        yield case("norm", lambda x: torch.linalg.vector_norm(x, dim=dim), {"x": x()}, axes=axes, keepdims=False)


def indexed():
    x = lambda: fixed((3, 4), 40)
    columns = torch.tensor([[0, 0, 3], [2, 1, 2], [3, 3, 3]])
    rows = torch.tensor([[0, 2, 2, 1], [2, 2, 0, 1]])
    for axis, index in ((1, columns), (0, rows)):
        yield case("gather", lambda x: torch.gather(x, axis, index), {"x": x()}, {"index": index}, axis=axis)
        yield case("scatter_add", lambda x, source: torch.scatter_add(x, axis, index, source),
                   {"x": x(), "source": fixed(tuple(index.shape), 41)}, {"index": index}, axis=axis)
        chosen = torch.tensor([2, 0, 2, 1, 2])
        yield case("index_select", lambda x: torch.index_select(x, axis, chosen), {"x": x()}, {"index": chosen},
                   axis=axis)


if __name__ == "__main__":
    write("ops.json", {"conventions": CONVENTIONS,
                       "cases": [*unary(), *normalised(), *cumulative(), *statistics(), *indexed()]})
