#!/usr/bin/env python3
"""nn.RNN, nn.GRU and nn.LSTM in Rill's conventions: outputs, final states and all gradients, in float64."""

import torch

from common import cotangent_like, fixed, tensor, tensors, write

BATCH, TIME, INPUT, HIDDEN = 3, 5, 4, 3
LENGTHS = [5, 2, 4]
GATES = {"rnn": 1, "gru": 3, "lstm": 4}

CONVENTIONS = {
    "layout": "input and outputs [batch, time, features]; states [layers * directions, batch, features], "
              "layer by layer, forward before backward",
    "weights": "parameters[layer][direction]: kernel [in, gates * hidden], recurrent [out, gates * hidden], "
               "bias [gates * hidden]; y = x kernel + h recurrent + bias",
    "lstm": "gates: input, forget, candidate, output; c' = f c + i g, h' = o act(c'); bias = b_ih + b_hh; "
            "projection [hidden, out]: h' = (o act(c')) projection",
    "rnn": "h' = act(x kernel + h recurrent + bias); bias = b_ih + b_hh",
    "gru": "gates: update z, reset r, candidate n; h' = (1 - z) n + z h",
    "gru reset_after": "n = tanh(x kernel + input_bias + r (h recurrent + recurrent_bias)); both biases "
                       "[3 * hidden], the two rows of Keras's bias",
    "gru reset_before": "n = tanh(x kernel + bias + (r h) recurrent); one bias [3 * hidden]",
    "directions": "the outputs of both directions are joined along the last axis, forward first, aligned in time",
    "lengths": "steps at or beyond a row's length leave its state as it is; the backward direction starts at "
               "the row's last step; outputs there are 0, and so is the cotangent",
    "loss": "sum(outputs * cotangents.outputs) + sum(final_hidden * cotangents.final_hidden), and the same "
            "with final_cell",
    "gradients": "of that loss; gradients.parameters has the structure of parameters",
}


def reorder_gru(weight):
    """PyTorch's r, z, n along the first axis to z, r, n."""
    reset, update, candidate = weight.chunk(3, 0)
    return torch.cat([update, reset, candidate], 0)


def mapped(layer, kind, layer_index, direction, of):
    """One direction's weights, or their gradients, in Rill's convention."""
    suffix = f"_l{layer_index}" + ("_reverse" if direction else "")
    read = lambda name: of(getattr(layer, name + suffix))
    order = reorder_gru if kind == "gru" else (lambda weight: weight)
    result = {"kernel": order(read("weight_ih")).T, "recurrent": order(read("weight_hh")).T}
    if kind == "gru":
        result["input_bias"] = order(read("bias_ih"))
        result["recurrent_bias"] = order(read("bias_hh"))
    elif of is value_of:
        result["bias"] = read("bias_ih") + read("bias_hh")
    else:
        result["bias"] = read("bias_ih")
    if getattr(layer, "proj_size", 0):
        result["projection"] = read("weight_hr").T
    return result


def value_of(parameter):
    return parameter.detach()


def gradient_of(parameter):
    return parameter.grad


def valid_steps(lengths):
    return (torch.arange(TIME)[None, :] < torch.tensor(lengths)[:, None]).to(torch.float64)


def finish(case, loss_parts, seed, lengths, sources, parameters):
    """Adds outputs, cotangents and gradients. `parameters` gives the mapped values or gradients."""
    cotangents = {name: cotangent_like(value, seed + 50 + i) for i, (name, value) in enumerate(loss_parts.items())}
    if lengths:
        cotangents["outputs"] = cotangents["outputs"] * valid_steps(lengths)[:, :, None]
    sum((cotangents[name] * value).sum() for name, value in loss_parts.items()).backward()
    case.update(tensors(sources))
    case["parameters"] = parameters(value_of)
    case.update(tensors(loss_parts))
    case["cotangents"] = tensors(cotangents)
    case["gradients"] = {**tensors({name: source.grad for name, source in sources.items()}),
                         "parameters": parameters(gradient_of)}
    return case


def torch_case(kind, layers, bidirectional, lengths, seed, nonlinearity="tanh", projection=0):
    options = dict(num_layers=layers, bidirectional=bidirectional, batch_first=True)
    if kind == "rnn":
        layer = torch.nn.RNN(INPUT, HIDDEN, nonlinearity=nonlinearity, **options)
    elif kind == "gru":
        layer = torch.nn.GRU(INPUT, HIDDEN, **options)
    else:
        layer = torch.nn.LSTM(INPUT, HIDDEN, proj_size=projection, **options)
    layer = layer.double()
    with torch.no_grad():
        for i, parameter in enumerate(layer.parameters()):
            parameter.copy_(fixed(tuple(parameter.shape), seed + 100 + i))

    directions = 2 if bidirectional else 1
    sources = {"input": fixed((BATCH, TIME, INPUT), seed),
               "initial_hidden": fixed((layers * directions, BATCH, projection or HIDDEN), seed + 1)}
    if kind == "lstm":
        sources["initial_cell"] = fixed((layers * directions, BATCH, HIDDEN), seed + 2)
    for source in sources.values():
        source.requires_grad_()

    state = sources["initial_hidden"]
    if kind == "lstm":
        state = (state, sources["initial_cell"])
    fed = sources["input"]
    if lengths:
        fed = torch.nn.utils.rnn.pack_padded_sequence(fed, torch.tensor(lengths), batch_first=True,
                                                      enforce_sorted=False)
    outputs, final = layer(fed, state)
    if lengths:
        outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=TIME)
    parts = {"outputs": outputs, "final_hidden": final[0] if kind == "lstm" else final}
    if kind == "lstm":
        parts["final_cell"] = final[1]

    name = kind + (f"_{nonlinearity}" if kind == "rnn" else "") + ("_projection" if projection else "")
    name += f"_{layers}_layer" + ("s" if layers > 1 else "") + ("_bidirectional" if bidirectional else "")
    case = {"name": name + ("_lengths" if lengths else ""), "cell": kind, "layers": layers,
            "bidirectional": bidirectional, "lengths": lengths}
    if kind == "rnn":
        case["activation"] = nonlinearity
    if kind == "gru":
        case["reset"] = "after"
    if kind == "lstm":
        case.update(activation="tanh", recurrent_activation="sigmoid", projection=projection)
    parameters = lambda of: [[tensors(mapped(layer, kind, index, direction, of)) for direction in range(directions)]
                             for index in range(layers)]
    return finish(case, parts, seed, lengths, sources, parameters)


def lstm_step(gates, cell, activation):
    i, f, g, o = gates.chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * activation(g)
    return torch.sigmoid(o) * activation(cell), cell


def composed_case(kind, lengths, seed):
    """What PyTorch has no layer for: an LSTM with relu, and the GRU that resets before the product."""
    gates = GATES[kind]
    sources = {"input": fixed((BATCH, TIME, INPUT), seed), "initial_hidden": fixed((1, BATCH, HIDDEN), seed + 1)}
    if kind == "lstm":
        sources["initial_cell"] = fixed((1, BATCH, HIDDEN), seed + 2)
    weights = {"kernel": fixed((INPUT, gates * HIDDEN), seed + 100),
               "recurrent": fixed((HIDDEN, gates * HIDDEN), seed + 101), "bias": fixed((gates * HIDDEN,), seed + 102)}
    for value in [*sources.values(), *weights.values()]:
        value.requires_grad_()

    hidden = sources["initial_hidden"][0]
    cell = sources["initial_cell"][0] if kind == "lstm" else None
    valid = valid_steps(lengths or [TIME] * BATCH)
    outputs = []
    for t in range(TIME):
        projected = sources["input"][:, t] @ weights["kernel"] + weights["bias"]
        keep = valid[:, t:t + 1]
        if kind == "lstm":
            new, new_cell = lstm_step(projected + hidden @ weights["recurrent"], cell, torch.relu)
            cell = keep * new_cell + (1 - keep) * cell
        else:
            gate_weights, candidate_weights = weights["recurrent"].split([2 * HIDDEN, HIDDEN], 1)
            update, reset = torch.sigmoid(projected[:, :2 * HIDDEN] + hidden @ gate_weights).chunk(2, 1)
            candidate = torch.tanh(projected[:, 2 * HIDDEN:] + (reset * hidden) @ candidate_weights)
            new = (1 - update) * candidate + update * hidden
        outputs.append(keep * new)
        hidden = keep * new + (1 - keep) * hidden

    parts = {"outputs": torch.stack(outputs, 1), "final_hidden": hidden[None]}
    case = {"name": ("lstm_relu" if kind == "lstm" else "gru_reset_before") + "_1_layer"
            + ("_lengths" if lengths else ""),
            "cell": kind, "layers": 1, "bidirectional": False, "lengths": lengths}
    if kind == "lstm":
        parts["final_cell"] = cell[None]
        case.update(activation="relu", recurrent_activation="sigmoid", projection=0)
    else:
        case["reset"] = "before"
    parameters = lambda of: [[tensors({name: of(value) for name, value in weights.items()})]]
    return finish(case, parts, seed, lengths, sources, parameters)


def all_cases():
    seed = 1000
    for kind, nonlinearity in [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]:
        for layers in (1, 2):
            for bidirectional in (False, True):
                for lengths in (None, LENGTHS):
                    seed += 1000
                    yield torch_case(kind, layers, bidirectional, lengths, seed, nonlinearity)
    yield torch_case("lstm", 1, False, None, seed + 1000, projection=2)
    yield torch_case("lstm", 2, True, LENGTHS, seed + 2000, projection=2)
    for i, (kind, lengths) in enumerate([("lstm", None), ("lstm", LENGTHS), ("gru", None), ("gru", LENGTHS)]):
        yield composed_case(kind, lengths, seed + 3000 + 1000 * i)


if __name__ == "__main__":
    write("layers.json", {"conventions": CONVENTIONS, "cases": list(all_cases())})
