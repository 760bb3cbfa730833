#!/usr/bin/env python3
"""Makes the golden of the widest autoencoder, 550,570-320-550,570: two training steps in PyTorch.

    pip install torch numpy safetensors
    python tests/goldens/make_wide_golden.py            # rewrites wide_autoencoder.safetensors
    python tests/goldens/make_wide_golden.py --check    # writes nothing; fails where the file would change

Takes some 14 GB of memory and a few minutes. Made as make_goldens.py makes its own: float64 from float32 inputs and
weights, all of them from the counter generator, so that 1.4 GB of initial weights need not be stored. The same steps
in float32 are run first, and how far they lie from float64 is printed, as a measure of what float32 can give.

Adam with PyTorch's defaults; the encoder, weight and bias, at a rate of 1e-3 x 32 / 550,570, the decoder at 1e-3.
Eight samples, [8, 550570] in row-major order, are uniform in [-bound, bound) with bound = sqrt(3) rounded to float32,
so that their variance is 1 as that of standardised snapshots is; seed 500, tensor 0. Both steps are on all of them.

losses         f64 [3]: before each step, and after both
codes          f32 [3, 8, 320]: at the same times
changes.1.*, changes.2.*
               after one step and after two, for each tensor under its name in the autoencoder: by how much the sampled
               values differ from the initial ones, as f32. A tensor of no more than 1,024 values is sampled whole.
               Otherwise sample i is element bits(i) mod len, bits being the generator's with the tensor's number and
               seed 600
norms.1.*, norms.2.*
               f64 [2]: the sum of the magnitudes of all changes of the tensor, and the root of the sum of their squares
"""

import argparse
import resource

import numpy
import torch
from safetensors.numpy import save

from make_goldens import SEED, bits, relative, uniform, write_or_check

WIDTH = 550_570
LATENT = 320
BATCH = 8
STEPS = 2
RATES = [1e-3 * 32 / WIDTH, 1e-3]
SAMPLED = 1024
INPUT_SEED = 500
SAMPLE_SEED = 600
# Elements that are generated at a time.
BLOCK = 1 << 22
NAMES = ["encoder.0.weight", "encoder.0.bias", "decoder.0.weight", "decoder.0.bias"]


def blocks(tensor, position, bound):
    """A tensor's values, flat, and its initial ones, some at a time."""
    flat = tensor.detach().view(-1)
    for first in range(0, len(flat), BLOCK):
        part = flat[first : first + BLOCK]
        yield part, torch.from_numpy(uniform((len(part),), position, bound, SEED, first))


def places(position, length):
    """Which elements of a tensor are stored."""
    if length <= SAMPLED:
        return numpy.arange(length)
    return bits(SAMPLED, 0, position, SAMPLE_SEED).astype(numpy.int64) % length


def train(dtype):
    """Every tensor of the golden, in float64."""
    model = torch.nn.Sequential(torch.nn.Linear(WIDTH, LATENT), torch.nn.Linear(LATENT, WIDTH)).to(dtype)
    tensors = list(zip(NAMES, model.parameters()))
    # Weight and bias of a layer alike, by its fan-in.
    bounds = [1.0 / numpy.sqrt(float(fan_in)) for fan_in in (WIDTH, WIDTH, LATENT, LATENT)]
    with torch.no_grad():
        for position, (_, tensor) in enumerate(tensors):
            for part, initial in blocks(tensor, position, bounds[position]):
                part.copy_(initial)
    groups = [{"params": list(layer.parameters()), "lr": rate} for layer, rate in zip(model, RATES)]
    # One tensor after the other: what it takes in between is as large as the largest of them.
    optimizer = torch.optim.Adam(groups, foreach=False)
    x = torch.from_numpy(uniform((BATCH, WIDTH), 0, numpy.sqrt(3.0), INPUT_SEED)).to(dtype)
    found = {"losses": [], "codes": []}
    for step in range(STEPS + 1):
        with torch.set_grad_enabled(step < STEPS):
            codes = model[0](x)
            loss = torch.nn.functional.mse_loss(model[1](codes), x)
        found["losses"].append(loss.item())
        found["codes"].append(codes.detach().double().numpy())
        if step == STEPS:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        for position, (name, tensor) in enumerate(tensors):
            first, second, changes = 0.0, 0.0, numpy.empty(0)
            at = places(position, tensor.numel())
            order = numpy.argsort(at, kind="stable")
            start = 0
            for part, initial in blocks(tensor, position, bounds[position]):
                change = part.double() - initial
                first += change.abs().sum().item()
                second += (change * change).sum().item()
                here = at[order]
                here = here[(here >= start) & (here < start + len(part))] - start
                changes = numpy.append(changes, change.numpy()[here])
                start += len(part)
            found[f"changes.{step + 1}.{name}"] = numpy.empty(len(at))
            found[f"changes.{step + 1}.{name}"][order] = changes
            found[f"norms.{step + 1}.{name}"] = numpy.array([first, numpy.sqrt(second)])
    return {name: numpy.array(value) for name, value in found.items()}


def main():
    arguments = argparse.ArgumentParser(description="Makes the golden of the widest autoencoder; see the top of this file.")
    arguments.add_argument("--check", action="store_true", help="write nothing, fail where the file would change")
    check = arguments.parse_args().check

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    single, double = train(torch.float32), train(torch.float64)
    print("float32 deviates from float64, relative to the largest value, by")
    for name, expected in double.items():
        print(f"    {name} {relative(single[name], expected):.1e}")
    print(f"losses {', '.join(f'{loss:.6f}' for loss in double['losses'])}")
    print(f"memory at its largest: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    kept = lambda name: "losses" in name or "norms" in name
    tensors = {name: value if kept(name) else value.astype(numpy.float32) for name, value in double.items()}
    write_or_check({"wide_autoencoder": save(tensors)}, check)


if __name__ == "__main__":
    main()
