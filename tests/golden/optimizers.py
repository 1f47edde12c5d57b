#!/usr/bin/env python3
"""Ten steps of every optimiser from fixed gradients, schedules and global-norm clipping, in float64."""

import math

import numpy
import torch

from common import fixed, tensor, tensors, write

STEPS = 10
CONVENTIONS = {
    "parameters": "initial gives their first values, gradients[t] what every case is fed at update t, and "
                  "case.parameters[t] their values after it",
    "sgd": "v = momentum v + g (the first v is g); p -= rate v, or with nesterov p -= rate (g + momentum v); "
           "weight_decay p is added to g before",
    "adam": "m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; p -= rate m_hat / (sqrt(v_hat) + epsilon), "
            "m_hat = m / (1 - beta1^t), v_hat = v / (1 - beta2^t), t from 1; amsgrad: the largest v so far in place "
            "of v, corrected by the current 1 - beta2^t",
    "adamw": "p -= rate weight_decay p before Adam's update",
    "adam decay": "the rate of the update after s others is learning_rate / (1 + decay s): a NumPy loop",
    "rmsprop": "v = rho v + (1 - rho) g^2; centered: v less the square of mean = rho mean + (1 - rho) g; "
               "p -= rate g / (sqrt(v) + epsilon); with momentum b = momentum b + g / (sqrt(v) + epsilon), p -= rate b",
    "adagrad": "s starts at initial_accumulator; s += g^2; p -= rate g / (sqrt(s) + epsilon)",
    "clip_global_norm": "all gradients times bound / norm where norm > bound (PyTorch divides by norm + 1e-6 instead)",
    "schedules": "rates[s] is the rate of the update that follows s others",
}


def gradients():
    """Signs that change, sizes from 1e-6 to 100, a zero, and a spike at the third update (for AMSGrad)."""
    result = []
    for t in range(STEPS):
        a, b = fixed((3,), 100 + t), fixed((2, 2), 200 + t)
        a[2] *= 1e-6
        b[0, 1] = 0.0 if t < 3 else b[0, 1]
        if t == 2:
            b[1, 0] = 100.0
        result.append({"a": a, "b": b})
    return result


INITIAL = {"a": fixed((3,), 1), "b": fixed((2, 2), 2)}
GRADIENTS = gradients()


def run(name, rule, options, make):
    parameters = {key: value.clone().requires_grad_() for key, value in INITIAL.items()}
    optimizer = make(list(parameters.values()))
    after = []
    for step in GRADIENTS:
        for key, parameter in parameters.items():
            parameter.grad = step[key].clone()
        optimizer.step()
        after.append(tensors({key: parameter.clone() for key, parameter in parameters.items()}))
    return {"name": name, "optimizer": rule, "options": options, "parameters": after}


def adam_with_decay(learning_rate, decay, beta1, beta2, epsilon):
    after = []
    p = {key: value.numpy().copy() for key, value in INITIAL.items()}
    m = {key: numpy.zeros_like(value) for key, value in p.items()}
    v = {key: numpy.zeros_like(value) for key, value in p.items()}
    for s, step in enumerate(GRADIENTS):
        rate = learning_rate / (1 + decay * s)
        for key, gradient in step.items():
            g = gradient.numpy()
            m[key] = beta1 * m[key] + (1 - beta1) * g
            v[key] = beta2 * v[key] + (1 - beta2) * g * g
            m_hat, v_hat = m[key] / (1 - beta1 ** (s + 1)), v[key] / (1 - beta2 ** (s + 1))
            p[key] = p[key] - rate * m_hat / (numpy.sqrt(v_hat) + epsilon)
        after.append(tensors({key: torch.tensor(value) for key, value in p.items()}))
    return after


def cases():
    sgd = lambda **o: lambda p: torch.optim.SGD(p, **o)
    yield run("sgd", "sgd", {"learning_rate": 0.05}, sgd(lr=0.05))
    yield run("sgd with momentum", "sgd", {"learning_rate": 0.05, "momentum": 0.9}, sgd(lr=0.05, momentum=0.9))
    yield run("sgd with Nesterov momentum", "sgd", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
              sgd(lr=0.05, momentum=0.9, nesterov=True))
    yield run("sgd with momentum and weight decay", "sgd",
              {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1},
              sgd(lr=0.05, momentum=0.9, weight_decay=0.1))

    adam = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}
    given = dict(lr=0.01, betas=(0.9, 0.999), eps=1e-7)
    other = {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-4}
    yield run("adam", "adam", adam, lambda p: torch.optim.Adam(p, **given))
    yield run("adam, other settings", "adam", other,
              lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.9), eps=1e-4))
    yield run("adam with amsgrad", "adam", {**other, "amsgrad": True},
              lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.8, 0.9), eps=1e-4, amsgrad=True))
    for decay in (0.5, 1e-6):
        yield {"name": f"adam with decay {decay}", "optimizer": "adam", "options": {**adam, "decay": decay},
               "parameters": adam_with_decay(decay=decay, **adam)}
    yield run("adamw", "adamw", {**adam, "weight_decay": 0.1},
              lambda p: torch.optim.AdamW(p, weight_decay=0.1, **given))
    yield run("adamw with amsgrad", "adamw", {**other, "weight_decay": 0.1, "amsgrad": True},
              lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, amsgrad=True))

    rms = {"learning_rate": 0.01, "rho": 0.9, "epsilon": 1e-7}
    rms_given = dict(lr=0.01, alpha=0.9, eps=1e-7)
    yield run("rmsprop", "rmsprop", rms, lambda p: torch.optim.RMSprop(p, **rms_given))
    yield run("rmsprop, centred", "rmsprop", {**rms, "centered": True},
              lambda p: torch.optim.RMSprop(p, centered=True, **rms_given))
    yield run("rmsprop with momentum", "rmsprop", {**rms, "momentum": 0.5},
              lambda p: torch.optim.RMSprop(p, momentum=0.5, **rms_given))
    yield run("adagrad", "adagrad", {"learning_rate": 0.1, "initial_accumulator": 0.1, "epsilon": 1e-7},
              lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1, eps=1e-7))
    yield run("adagrad from 0", "adagrad", {"learning_rate": 0.1, "initial_accumulator": 0.0, "epsilon": 1e-10},
              lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-10))


def torch_rates(scheduler, initial, steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=initial)
    schedule, rates = scheduler(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def schedules():
    from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LinearLR, StepLR
    beyond = lambda s, steps: min(s, steps) / steps
    made = [
        ("inverse_time", {"initial": 0.1, "decay": 0.25}, lambda s: 0.1 / (1 + 0.25 * s), None),
        ("step_decay", {"initial": 0.1, "factor": 0.5, "every": 3}, lambda s: 0.1 * 0.5 ** (s // 3),
         lambda o: StepLR(o, 3, 0.5)),
        ("exponential", {"initial": 0.1, "factor": 0.9, "every": 1}, lambda s: 0.1 * 0.9 ** s,
         lambda o: ExponentialLR(o, 0.9)),
        ("exponential", {"initial": 0.1, "factor": 0.5, "every": 4}, lambda s: 0.1 * 0.5 ** (s / 4), None),
        ("cosine", {"initial": 0.1, "steps": 8, "final": 0.01},
         lambda s: 0.01 + 0.5 * (0.1 - 0.01) * (1 + math.cos(math.pi * beyond(s, 8))),
         lambda o: CosineAnnealingLR(o, 8, 0.01)),
        ("linear", {"first": 0.1, "last": 0.02, "steps": 5}, lambda s: 0.1 + (0.02 - 0.1) * beyond(s, 5),
         lambda o: LinearLR(o, 1.0, 0.2, 5)),
    ]
    for name, options, formula, scheduler in made:
        rates = [formula(s) for s in range(12)]
        if scheduler:
            steps = 9 if name == "cosine" else 12
            theirs = torch_rates(scheduler, 0.1, steps)
            assert numpy.allclose(rates[:steps], theirs, rtol=1e-13), (name, rates, theirs)
        yield {"schedule": name, "options": options, "rates": rates}


def clips():
    for bound in (1.0, 0.01, 1000.0):
        given = GRADIENTS[2]
        norm = math.sqrt(sum(float((g * g).sum()) for g in given.values()))
        scale = bound / norm if norm > bound else 1.0
        yield {"bound": bound, "gradients": tensors(given), "norm_before": norm,
               "clipped": tensors({key: g * scale for key, g in given.items()})}


if __name__ == "__main__":
    write("optimizers.json", {"conventions": CONVENTIONS, "initial": tensors(INITIAL),
                              "gradients": [tensors(step) for step in GRADIENTS], "cases": list(cases()),
                              "clip_global_norm": list(clips()), "schedules": list(schedules())})
