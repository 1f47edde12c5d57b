#!/usr/bin/env python3
"""The tutorial's classifier without dropout: first losses in float32 and float64, gradients of the first step.

PyTorch has no LSTM with relu, so the cell is composed. Weights, images and labels come from counters (FORMULA),
so that both sides make the same bits and nothing large is committed."""

import math

import numpy
import torch

from common import write

BATCH, STEPS, TIME, FEATURES, HIDDEN, DENSE, CLASSES = 32, 20, 28, 28, 256, 32, 10
LEARNING_RATE, DECAY, BETA1, BETA2, EPSILON = 1e-4, 1e-6, 0.9, 0.999, 1e-7
SAMPLES = 64

FORMULA = {
    "mix(n)": "32-bit unsigned, all modulo 2^32: n ^= n >> 16; n *= 0x85ebca6b; n ^= n >> 13; n *= 0xc2b2ae35; "
              "n ^= n >> 16 (the end of MurmurHash3)",
    "bits(salt, i)": "mix((salt * 0x9e3779b9 + i) mod 2^32)",
    "uniform": "element i, counted row by row: float32(limit * (2 * (bits(salt, i) / 2^32) - 1)), computed in float64, "
               "then rounded",
    "forget_one": "an LSTM's bias: 0, and 1 for the forget gate (elements 256 to 511)",
    "label": "of image n (0, 1, ...): n mod 10; batch b (0 to 19) holds the images 32 b to 32 b + 31",
    "pixel": "p = 28 * row + column of image n: 0 unless the top bit of bits(1, 784 * label + p) is set, then "
             "float32(byte / 255) with byte = the top 8 bits of bits(2, 784 * n + p); row is the time step",
    "float64": "the same float32 numbers, widened",
}

# name: (shape, salt or None for forget_one, limit)
GLOROT = lambda shape: math.sqrt(6.0 / sum(shape))
PARAMETERS = {
    "lstm1.kernel": ((FEATURES, 4 * HIDDEN), 11, GLOROT((FEATURES, 4 * HIDDEN))),
    "lstm1.recurrent": ((HIDDEN, 4 * HIDDEN), 12, GLOROT((HIDDEN, 4 * HIDDEN))),
    "lstm1.bias": ((4 * HIDDEN,), None, None),
    "lstm2.kernel": ((HIDDEN, 4 * HIDDEN), 13, GLOROT((HIDDEN, 4 * HIDDEN))),
    "lstm2.recurrent": ((HIDDEN, 4 * HIDDEN), 14, GLOROT((HIDDEN, 4 * HIDDEN))),
    "lstm2.bias": ((4 * HIDDEN,), None, None),
    "hidden.weight": ((HIDDEN, DENSE), 15, GLOROT((HIDDEN, DENSE))),
    "hidden.bias": ((DENSE,), 16, 0.1),
    "output.weight": ((DENSE, CLASSES), 17, GLOROT((DENSE, CLASSES))),
    "output.bias": ((CLASSES,), 18, 0.1),
}


def bits(salt, count, start=0):
    n = (numpy.arange(start, start + count, dtype=numpy.uint64) + salt * 0x9E3779B9) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        n ^= n >> numpy.uint64(shift)
        n = (n * numpy.uint64(factor)) & numpy.uint64(0xFFFFFFFF)
    return n ^ (n >> numpy.uint64(16))


def initial(shape, salt, limit):
    count = math.prod(shape)
    if salt is None:
        values = numpy.zeros(count)
        values[HIDDEN:2 * HIDDEN] = 1.0
    else:
        values = limit * (2.0 * (bits(salt, count) / 2.0 ** 32) - 1.0)
    return torch.tensor(values.astype(numpy.float32).reshape(shape))


def batch(b):
    first = BATCH * b
    labels = numpy.arange(first, first + BATCH) % 10
    shown = (bits(1, 10 * 784) >> numpy.uint64(31)).astype(bool).reshape(10, 784)
    bytes_ = (bits(2, BATCH * 784, start=784 * first) >> numpy.uint64(24)).astype(numpy.float64).reshape(BATCH, 784)
    pixels = numpy.where(shown[labels], bytes_ / 255.0, 0.0).astype(numpy.float32)
    return torch.tensor(pixels.reshape(BATCH, TIME, FEATURES)), torch.tensor(labels)


def lstm(rows, kernel, recurrent, bias):
    """rows [batch, time, in] -> every h [batch, time, 256]; gates: input, forget, candidate, output."""
    hidden = cell = rows.new_zeros(rows.shape[0], HIDDEN)
    projected, outputs = rows @ kernel + bias, []
    for t in range(TIME):
        i, f, g, o = (projected[:, t] + hidden @ recurrent).chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.relu(g)
        hidden = torch.sigmoid(o) * torch.relu(cell)
        outputs.append(hidden)
    return torch.stack(outputs, 1)


def loss_of(parameters, images, labels):
    p = list(parameters.values())
    h = lstm(lstm(images, *p[0:3]), *p[3:6])[:, -1]
    logits = torch.relu(h @ p[6] + p[7]) @ p[8] + p[9]
    return torch.nn.functional.cross_entropy(logits, labels)


def train(dtype):
    """The losses of the first steps, each before its update; the gradients of the first; how far all moved."""
    parameters = {name: initial(*recipe).to(dtype).requires_grad_() for name, recipe in PARAMETERS.items()}
    adam = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE, betas=(BETA1, BETA2), eps=EPSILON)
    losses, first = [], None
    for step in range(STEPS):
        images, labels = batch(step)
        loss = loss_of(parameters, images.to(dtype), labels)
        adam.zero_grad()
        loss.backward()
        first = first or {name: p.grad.clone() for name, p in parameters.items()}
        adam.param_groups[0]["lr"] = LEARNING_RATE / (1 + DECAY * step)
        adam.step()
        losses.append(loss.item())
    moved = {name: p.detach() - initial(*PARAMETERS[name]) for name, p in parameters.items()}
    return losses, first, moved


def summary(name, gradient, moved):
    shape, salt, limit = PARAMETERS[name]
    flat = gradient.reshape(-1)
    recipe = {"rule": "forget_one"} if salt is None else {"rule": "uniform", "salt": salt, "limit": limit}
    first = initial(*PARAMETERS[name]).reshape(-1)
    places = sorted(set(numpy.random.RandomState(salt or 5).randint(0, flat.numel(), SAMPLES).tolist()))
    result = {"shape": list(shape), "initial": recipe, "initial_first": first[:4].double().tolist(),
              "initial_sum": first.double().sum().item(),
              "gradient": {"norm": flat.norm().item(), "sum": flat.sum().item(), "largest": flat.abs().max().item(),
                           "indices": places, "values": flat[places].tolist()}}
    result["moved"] = {"norm": moved.norm().item(), "sum": moved.sum().item()}
    if flat.numel() <= 320:
        result["gradient"]["whole"] = flat.tolist()
    return result


if __name__ == "__main__":
    losses32, _, _ = train(torch.float32)
    losses64, gradients, moved = train(torch.float64)
    print("float32 against float64, largest relative difference of a loss:",
          max(abs(a - b) / b for a, b in zip(losses32, losses64)))
    images, _ = batch(0)
    write("reference.json", {
        "model": "LSTM(28 -> 256) -> LSTM(256 -> 256), last output -> Dense 32 relu -> Dense 10 -> cross-entropy from "
                 "logits, mean; relu activation, sigmoid gates, gate order input, forget, candidate, output; no dropout",
        "optimizer": {"rule": "adam", "learning_rate": LEARNING_RATE, "decay": DECAY, "beta1": BETA1, "beta2": BETA2,
                      "epsilon": EPSILON},
        "moved": f"parameter minus initial after {STEPS} updates, float64 run", "batch": BATCH, "formula": FORMULA,
        "images": {"first_batch_sum": images.double().sum().item(), "first_row_6": images[0, 6].double().tolist()},
        "losses_float32": losses32, "losses_float64": losses64,
        "parameters": {name: summary(name, gradients[name], moved[name]) for name in PARAMETERS}})
