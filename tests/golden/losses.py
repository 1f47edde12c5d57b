#!/usr/bin/env python3
"""Losses, values and gradients, in float64."""

import torch
import torch.nn.functional as F

from common import fixed, tensor, tensors, write

CONVENTIONS = {
    "reduction": "one of mean, sum, none; with none the gradient is that of the loss's sum",
    "cross_entropy": "from logits [rows, classes] and int64 labels; p = (1 - smoothing) onehot + smoothing / classes; "
                     "a row whose label is ignore_index counts for nothing; mean divides by the number of rows that "
                     "count, and with class_weights by the sum of the weights of their labels. With smoothing and "
                     "class weights the smoothed part is weighted by each class's own weight",
    "negative_log_probability": "-log p[label], the mean over rows; the gradient with respect to p",
    "huber": "r^2 / 2 within delta, delta (|r| - delta / 2) beyond",
    "mae": "the gradient at equality is 0",
    "binary_cross_entropy": "from logits; positive_weight multiplies the term of target 1",
}


def case(name, loss, function, inputs, constants=None, **options):
    """inputs: what is differentiated; constants: labels, targets and weights."""
    for value in inputs.values():
        value.requires_grad_()
    value = function(*inputs.values())
    value.sum().backward()
    return {"name": name, "loss": loss, "options": options, "inputs": tensors(inputs),
            "constants": tensors(constants or {}), "value": tensor(value),
            "gradients": tensors({name: source.grad for name, source in inputs.items()})}


def cross_entropy(name, logits, labels, smoothing=0.0, ignore=None, weights=None, reduction="mean"):
    constants = {"labels": labels} | ({"class_weights": weights} if weights is not None else {})
    return case(name, "cross_entropy",
                lambda x: F.cross_entropy(x, labels, weight=weights, label_smoothing=smoothing,
                                          ignore_index=-100 if ignore is None else ignore, reduction=reduction),
                {"logits": logits}, constants, label_smoothing=smoothing, ignore_index=ignore, reduction=reduction)


def cross_entropies():
    logits = lambda: fixed((6, 5), 1, -3, 3)
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    some = torch.tensor([0, -100, 2, 2, -100, 3])
    class_two = torch.tensor([0, 4, 2, 2, 1, 3])
    weights = torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0], dtype=torch.float64)
    large = lambda: torch.tensor([[1000.0, -1000.0, 0.0], [-800.0, 800.0, 799.0], [1e4, 1e4, 1e4]],
                                 dtype=torch.float64)
    for reduction in ("mean", "sum", "none"):
        yield cross_entropy(f"plain, {reduction}", logits(), labels, reduction=reduction)
        yield cross_entropy(f"label smoothing, {reduction}", logits(), labels, 0.1, reduction=reduction)
        yield cross_entropy(f"ignored index, {reduction}", logits(), some, ignore=-100, reduction=reduction)
        yield cross_entropy(f"class weights, {reduction}", logits(), labels, weights=weights, reduction=reduction)
    yield cross_entropy("an ignored index that is a class", logits(), class_two, ignore=2)
    yield cross_entropy("ignored index and class weights", logits(), some, ignore=-100, weights=weights)
    yield cross_entropy("ignored index and label smoothing", logits(), some, 0.2, ignore=-100)
    yield cross_entropy("label smoothing and class weights", logits(), labels, 0.2, weights=weights)
    yield cross_entropy("large logits", large(), torch.tensor([0, 2, 1]))
    yield cross_entropy("large logits, hopeless label", large(), torch.tensor([1, 0, 2]))
    probabilities = torch.softmax(fixed((6, 5), 2, -3, 3), 1).mul(1000).round().div(1000)
    yield case("from probabilities", "negative_log_probability", lambda p: F.nll_loss(torch.log(p), labels),
               {"probabilities": probabilities}, {"labels": labels}, reduction="mean")


def regressions():
    prediction = lambda: torch.cat([fixed((2, 4), 3, -3, 3), torch.tensor([[0.5, 1.5, -0.5, 0.25]]).double()])
    target = torch.cat([fixed((2, 4), 4, -3, 3), torch.tensor([[0.5, 0.5, 0.5, 0.0]]).double()])
    for reduction in ("mean", "sum", "none"):
        yield case(f"mse, {reduction}", "mse", lambda x: F.mse_loss(x, target, reduction=reduction),
                   {"prediction": prediction()}, {"target": target}, reduction=reduction)
        yield case(f"mae, {reduction}", "mae", lambda x: F.l1_loss(x, target, reduction=reduction),
                   {"prediction": prediction()}, {"target": target}, reduction=reduction)
        for delta in (1.0, 0.25):
            yield case(f"huber, delta {delta}, {reduction}", "huber",
                       lambda x: F.huber_loss(x, target, reduction=reduction, delta=delta),
                       {"prediction": prediction()}, {"target": target}, reduction=reduction, delta=delta)


def binary():
    logits = lambda: torch.tensor([[-800.0, -40.0, -2.0, -0.5], [0.0, 0.5, 40.0, 800.0]], dtype=torch.float64)
    targets = {"hard targets": torch.tensor([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]).double(),
               "soft targets": torch.tensor([[0.1, 0.9, 0.5, 0.25], [0.5, 0.75, 0.2, 1.0]]).double()}
    weight = torch.tensor(2.5, dtype=torch.float64)
    for name, target in targets.items():
        for reduction in ("mean", "sum", "none"):
            yield case(f"{name}, {reduction}", "binary_cross_entropy",
                       lambda x: F.binary_cross_entropy_with_logits(x, target, reduction=reduction),
                       {"logits": logits()}, {"target": target}, reduction=reduction, positive_weight=None)
        yield case(f"{name}, positive weight", "binary_cross_entropy",
                   lambda x: F.binary_cross_entropy_with_logits(x, target, pos_weight=weight),
                   {"logits": logits()}, {"target": target}, reduction="mean", positive_weight=2.5)


if __name__ == "__main__":
    write("losses.json", {"conventions": CONVENTIONS, "cases": [*cross_entropies(), *regressions(), *binary()]})
