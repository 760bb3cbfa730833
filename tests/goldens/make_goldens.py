#!/usr/bin/env python3
"""Makes the goldens: ten training steps in PyTorch, for the engine to be held against.

    pip install torch numpy safetensors
    python tests/goldens/make_goldens.py            # rewrites tests/goldens/*.safetensors
    python tests/goldens/make_goldens.py --check    # writes nothing; fails where a file would change

Everything is seeded, and the same PyTorch gives the same bytes again. PyTorch computes in float64, from float32
inputs and float32 initial weights, so a golden is what exact arithmetic would give, rounded once at the end, and
does not lean towards any machine's order of summing. What the same ten steps in PyTorch's float32 come to is
printed beside it, as a measure of what float32 can give.

Initial weights come from the counter generator pcg4d (Jarzynski & Olano, "Hash Functions for GPU Rendering", JCGT
9(3), 2020), as in src/reference/random.rs, not from PyTorch's: uniform in [-bound, bound) with bound = 1/sqrt(fan_in)
rounded to float32, for the weight and the bias of a layer alike; counters (element, replica 0, position of the
tensor in state_dict, seed 7). The synthetic inputs use the same generator with other seeds.

mnist_mlp_inputs      images u8 [160, 784], labels u8 [160]; step t trains on samples 16 t to 16 t + 15, as
                      images / 255, with cross-entropy
mnist_mlp_adam, _sgd, _adamw
                      losses f64 [10], each before its step; the final tensors under their names in
                      nn.Sequential(Linear(784, 20), ReLU(), Linear(20, 10)); for Adam the initial ones too, under
                      "initial." and the name
autoencoder_inputs    snapshots f32 [11, 403], centred per element and divided by one global scale
autoencoder_adam, autoencoder_tanh_adam
                      losses, initial and final tensors of nn.Sequential(Linear(403, 7), Identity() or Tanh(),
                      Linear(7, 403)), trained on all 11 rows at once to give them back, with MSELoss

The metadata entry "settings" of each trained file holds its optimiser's settings as JSON.
"""

import argparse
import json
import pathlib
import sys

import numpy
import torch
from safetensors.numpy import save

HERE = pathlib.Path(__file__).parent
STEPS = 10
BATCH = 16
SEED = 7
IMAGE_SEED = 100
SNAPSHOT_SEED = 200

# Decays large enough that ten steps show a wrong one well above what float32 leaves open.
OPTIMIZERS = {
    "adam": (torch.optim.Adam, {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0}),
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3}),
    "adamw": (torch.optim.AdamW, {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.5}),
}


def bits(count, replica, tensor, seed, first=0):
    """The first word of pcg4d for each of `count` elements from `first` on; numpy's uint32 arrays wrap as WGSL's do."""
    words = numpy.empty((4, count), numpy.uint32)
    words[0] = numpy.arange(first, first + count, dtype=numpy.uint32)
    words[1:] = numpy.array([[replica], [tensor], [seed]], numpy.uint32)
    words = words * numpy.uint32(1664525) + numpy.uint32(1013904223)
    x, y, z, w = words
    for last in (False, True):
        x += y * w
        y += z * x
        z += x * y
        w += y * z
        if not last:
            words ^= words >> numpy.uint32(16)
    return x


def uniform(shape, tensor, bound, seed=SEED, first=0):
    """float32 values in [-bound, bound), of one rounding each, as the kernels make them."""
    bound = numpy.float32(bound)
    words = bits(int(numpy.prod(shape)), 0, tensor, seed, first)
    centred = (words >> numpy.uint32(8)).astype(numpy.int32) - 8388608
    return (centred.astype(numpy.float32) * (bound / numpy.float32(8388608))).reshape(shape)


def make_images():
    """Ten smooth prototypes, each sample a class's own plus something smooth and some noise, dark at the edges."""

    def smooth(count, tensor):
        # A coarse grid of 8 by 8, stretched to 28 by 28 by linear interpolation along each axis.
        coarse = uniform((count, 8, 8), tensor, 1.0, IMAGE_SEED).astype(numpy.float64)
        at = numpy.linspace(0.0, 7.0, 28)
        left = numpy.minimum(at.astype(numpy.int64), 6)
        share = at - left
        rows = coarse[:, left] * (1.0 - share)[:, None] + coarse[:, left + 1] * share[:, None]
        return rows[:, :, left] * (1.0 - share) + rows[:, :, left + 1] * share

    labels = (bits(160, 0, 0, IMAGE_SEED) % numpy.uint32(10)).astype(numpy.uint8)
    brightness = 1.6 * smooth(10, 1)[labels] + 0.6 * smooth(160, 2)
    brightness += uniform((160, 28, 28), 3, 0.15, IMAGE_SEED)
    distance = numpy.abs(numpy.arange(28) - 13.5)
    edge = numpy.clip((13.5 - distance) / 4.0, 0.0, 1.0)
    images = numpy.rint(255.0 * numpy.clip(brightness * edge[:, None] * edge, 0.0, 1.0))
    return images.astype(numpy.uint8).reshape(160, 784), labels


def make_snapshots():
    """Eleven points along a path that slows down, as weights in training take it, standardised."""
    time = numpy.linspace(0.0, 1.0, 11)
    path = numpy.stack([1.0 - numpy.exp(-3.0 * time), numpy.sin(4.0 * time), time * time, numpy.cos(7.0 * time)])
    directions = uniform((4, 403), 0, 1.0, SNAPSHOT_SEED) * numpy.array([[2.0], [0.7], [1.0], [0.3]])
    snapshots = path.T @ directions + uniform((11, 403), 1, 0.1, SNAPSHOT_SEED)
    centred = snapshots - snapshots.mean(axis=0)
    return (centred / numpy.sqrt((centred * centred).mean())).astype(numpy.float32)


def initialise(model):
    """Fills a model's tensors in the order of its state_dict and returns them as float32 arrays by name."""
    tensors = {}
    bound = None
    with torch.no_grad():
        for position, (name, tensor) in enumerate(model.state_dict().items()):
            if name.endswith("weight"):
                bound = 1.0 / numpy.sqrt(float(tensor.shape[1]))
            tensors[name] = uniform(tuple(tensor.shape), position, bound)
            tensor.copy_(torch.from_numpy(tensors[name]))
    return tensors


def train(layers, loss_function, batches, optimizer, dtype):
    """Ten steps; returns the loss before each, the initial tensors and the final ones."""
    model = torch.nn.Sequential(*layers()).to(dtype)
    initial = initialise(model)
    kind, settings = OPTIMIZERS[optimizer]
    optimizer = kind(model.parameters(), **settings)
    losses = []
    for x, target in batches(dtype):
        optimizer.zero_grad()
        loss = loss_function(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    final = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    return numpy.array(losses), initial, final


def golden(name, layers, loss_function, batches, optimizer, with_initial):
    """The tensors and metadata of one golden file; prints how far PyTorch's float32 lies from it."""
    losses, initial, final = train(layers, loss_function, batches, optimizer, torch.float64)
    losses32, _, final32 = train(layers, loss_function, batches, optimizer, torch.float32)
    print(f"{name}: loss {losses[0]:.6f} to {losses[-1]:.6f}; float32 deviates, relative to each tensor's largest, by")
    print(f"    losses {relative(losses32, losses):.1e}", end="")
    for tensor in final:
        print(f", {tensor} {relative(final32[tensor], final[tensor]):.1e}", end="")
    print()
    tensors = {tensor: value.astype(numpy.float32) for tensor, value in final.items()}
    if with_initial:
        tensors.update({f"initial.{tensor}": value for tensor, value in initial.items()})
    tensors["losses"] = losses
    # One entry only: the library writes several in no fixed order.
    settings = {"optimizer": optimizer, "seed": SEED, **OPTIMIZERS[optimizer][1]}
    return save(tensors, metadata={"settings": json.dumps(settings)})


def relative(actual, expected):
    return numpy.abs(actual - expected).max() / numpy.abs(expected).max()


def write_or_check(files, check):
    """Writes each file's bytes beside this script, or only says which ones would change."""
    changed = []
    for name, content in files.items():
        path = HERE / f"{name}.safetensors"
        if not path.exists() or path.read_bytes() != content:
            changed.append(path.name)
        if not check:
            path.write_bytes(content)
    if check and changed:
        sys.exit(f"would change: {', '.join(changed)}")


def main():
    arguments = argparse.ArgumentParser(description="Makes the goldens; see the top of this file.")
    arguments.add_argument("--check", action="store_true", help="write nothing, fail where a file would change")
    check = arguments.parse_args().check

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    images, labels = make_images()
    snapshots = make_snapshots()

    def image_batches(dtype):
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            x = torch.from_numpy(images[rows]).to(dtype) / 255
            yield x, torch.from_numpy(labels[rows]).long()

    def snapshot_batches(dtype):
        x = torch.from_numpy(snapshots).to(dtype)
        for _ in range(STEPS):
            yield x, x

    def classifier():
        return torch.nn.Linear(784, 20), torch.nn.ReLU(), torch.nn.Linear(20, 10)

    def autoencoder(latent):
        return lambda: (torch.nn.Linear(403, 7), latent(), torch.nn.Linear(7, 403))

    files = {
        "mnist_mlp_inputs": save({"images": images, "labels": labels}),
        "autoencoder_inputs": save({"snapshots": snapshots}),
    }
    for optimizer in OPTIMIZERS:
        name = f"mnist_mlp_{optimizer}"
        cross_entropy = torch.nn.CrossEntropyLoss()
        files[name] = golden(name, classifier, cross_entropy, image_batches, optimizer, optimizer == "adam")
    for name, latent in (("autoencoder_adam", torch.nn.Identity), ("autoencoder_tanh_adam", torch.nn.Tanh)):
        files[name] = golden(name, autoencoder(latent), torch.nn.MSELoss(), snapshot_batches, "adam", True)

    write_or_check(files, check)


if __name__ == "__main__":
    main()
