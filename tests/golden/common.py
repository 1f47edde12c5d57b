"""What the scripts share: fixed random numbers, tensors as JSON, files that do not change by themselves."""

import json
import pathlib
import re

import numpy
import torch

torch.set_num_threads(1)


def fixed(shape, seed, low=-1.0, high=1.0, decimals=3):
    """Uniform numbers with few decimals (short in JSON), the same for ever (NumPy froze this generator)."""
    values = numpy.random.RandomState(seed).uniform(low, high, shape)
    return torch.tensor(numpy.round(values, decimals), dtype=torch.float64)


def tensor(value):
    value = value.detach()
    flat = value.reshape(-1).tolist()
    dtype = {torch.float64: "float64", torch.int64: "int64"}[value.dtype]
    if dtype == "float64":
        assert torch.isfinite(value).all(), "only finite numbers are stored"
    return {"dtype": dtype, "shape": list(value.shape), "data": flat}


def tensors(named):
    return {name: tensor(value) for name, value in named.items()}


def cotangent_like(value, seed):
    return fixed(tuple(value.shape), seed)


def write(name, content):
    """Writes tests/golden/<name>; Python prints a float64 so that it reads back to the last bit."""
    text = json.dumps({"made_by": f"PyTorch {torch.__version__}", **content}, indent=1, allow_nan=False)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found.group()), text)
    path = pathlib.Path(__file__).with_name(name)
    path.write_text(text + "\n")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
