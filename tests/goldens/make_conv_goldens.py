#!/usr/bin/env python3
"""Makes the goldens of convolutions and pools: each alone, and ten training steps of the CIFAR-10 classifier
and of a small convolutional autoencoder.

    pip install torch numpy safetensors
    python tests/goldens/make_conv_goldens.py            # rewrites the files
    python tests/goldens/make_conv_goldens.py --check    # writes nothing; fails where a file would change

Made as make_goldens.py makes its own: float64 from float32 inputs, every input from the counter generator.

conv_small            for each layer below x, y, the gradient dy at y, and dx; f64, but x, dy, weight and bias f32.
                      conv2d, conv2d_lopsided, conv_transpose2d, conv1d: also weight, bias, dweight and dbias; two
                      replicas, so that everything starts with an axis of 2. max_pool, average_pool and
                      max_pool_overlapping: for the largest also argmax (i64). The settings of all are in the
                      metadata entry "settings". conv2d_lopsided pads by zeros before a layer without padding.
cifar10_vgg3_inputs   images u8 [40, 3, 32, 32], labels u8 [40]; step t trains on samples 4 t to 4 t + 3, as
                      (images / 255 - 0.5) / 0.25, with cross-entropy
cifar10_vgg3_sgd, cifar10_vgg3_adam
                      losses f64 [10], each before its step; of each final tensor, under its name in the
                      nn.Sequential below, its values at floor(i len / 4096) for i below 4096 as f32 (all of them
                      where there are no more), and under "sums." and its name its sum and its sum of squares, f64;
                      under "first." and its name the same values after the first step.
                      In the first step no unit and no pool is nearer to deciding otherwise than 1e-5 of its layer's
                      root mean square: rounding changes no decision there. Ten steps have 4.6 million decisions, of
                      which some are within 1e-6 whatever the images are.
                      The initial tensors are not stored: weights are uniform in [-bound, bound) with bound =
                      sqrt(6/fan_in) rounded to float32 (He), fan_in = inputs x kernel height x kernel width; biases
                      are zero; counters (element, replica 0, position in state_dict, seed 11).
conv_autoencoder      snapshots f32 [5, 57], of two segments: 6 rows of 8 and a line of 9. Each has two convolutions
                      and their transposes, sizes in CHANNELS, KERNELS and STRIDES below, cut to the segment's; tanh
                      after the first and before the last. Zeros are added around a segment so that every stride is
                      whole, the odd one behind, and cut off again. All are a batch, for ten steps of Adam with the
                      mean squared error. Initial tensors f32 under "initial." and their names, final ones f64 under
                      "final."; losses f64 [10], each before its step.
"""

import argparse
import json

import numpy
import torch
from safetensors.numpy import save

from make_goldens import bits, relative, uniform, write_or_check

STEPS = 10
BATCH = 4
SEED = 11
SAMPLED = 4096
# One of the three seeds from 300 to 2999 whose first step is farthest from ties (see `margin`), and of those the one
# whose losses do not jump up.
IMAGE_SEED = 1156
SMALL_SEED = 400

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0}),
    "adam": (torch.optim.Adam, {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0}),
}


def stored(tensors, settings=None):
    """A file's bytes. The library would write an array's memory as it lies, so it has to lie in order."""
    tensors = {name: numpy.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    return save(tensors, metadata=settings and {"settings": json.dumps(settings)})


# ----- each layer alone -----

REPLICAS = 2
SMALL = 2

# No two sizes alike, so that a swapped axis cannot pass.
CONVOLUTIONS = {
    "conv2d": (torch.nn.Conv2d, (3, 5, 5), {"stride": 2, "padding": [2, 1]}, [7, 9], None),
    # Padding in the order of torch.nn.functional.pad: left, right, top, bottom.
    "conv2d_lopsided": (torch.nn.Conv2d, (3, 4, [2, 5]), {"stride": [3, 2]}, [7, 9], [3, 2, 0, 1]),
    "conv_transpose2d": (
        torch.nn.ConvTranspose2d,
        (3, 2, [3, 4]),
        {"stride": [2, 3], "padding": [1, 2], "output_padding": [1, 2]},
        [4, 5],
        None,
    ),
    "conv1d": (torch.nn.Conv1d, (3, 4, 5), {"stride": 2, "padding": 2}, [19], None),
}

POOLS = {
    "max_pool": (torch.nn.MaxPool2d, {"kernel_size": 2, "stride": 2}, [7, 9]),
    "max_pool_overlapping": (torch.nn.MaxPool2d, {"kernel_size": [3, 2], "stride": [2, 3]}, [7, 10]),
    "average_pool": (torch.nn.AvgPool2d, {"kernel_size": [3, 2], "stride": [2, 3]}, [7, 10]),
}


class Numbers:
    """Fresh float32 values at each call, from one tensor of the generator after the other."""

    def __init__(self):
        self.tensor = 0

    def __call__(self, shape, bound=1.0):
        self.tensor += 1
        return uniform(tuple(shape), self.tensor, bound, SMALL_SEED)


def through(layer, x, dy, pads):
    """Runs a layer forward and backward in float64; dy comes from a function of the output's shape."""
    x64 = torch.from_numpy(x).double().requires_grad_()
    y = layer(x64 if pads is None else torch.nn.functional.pad(x64, pads))
    gradient = dy(y.shape)
    y.backward(torch.from_numpy(gradient).double())
    return {"x": x, "y": y.detach().numpy(), "dy": gradient, "dx": x64.grad.numpy()}


def small_convolution(kind, arguments, settings, size, pads, numbers):
    """Every tensor of one convolution, with an axis for the replicas in front."""
    replicas = []
    for _ in range(REPLICAS):
        layer = kind(*arguments, **settings).double()
        weight, bias = numbers(layer.weight.shape), numbers(layer.bias.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        tensors = through(layer, numbers([SMALL, arguments[0], *size]), numbers, pads)
        tensors.update(weight=weight, bias=bias, dweight=layer.weight.grad.numpy(), dbias=layer.bias.grad.numpy())
        replicas.append(tensors)
    return {name: numpy.stack([tensors[name] for tensors in replicas]) for name in replicas[0]}


def small_pool(kind, settings, size, numbers):
    """Every tensor of one pool, with ties: values are whole numbers from -2 to 2."""
    x = numpy.rint(2.4 * numbers([SMALL, 3, *size])).astype(numpy.float32)
    tensors = through(kind(**settings), x, numbers, None)
    if kind is torch.nn.MaxPool2d:
        argmax = kind(**settings, return_indices=True)(torch.from_numpy(x).double())[1]
        tensors["argmax"] = argmax.numpy()
    return tensors


def conv_small():
    numbers = Numbers()
    tensors, settings = {}, {"seed": SMALL_SEED}
    for name, (kind, arguments, options, size, pads) in CONVOLUTIONS.items():
        layer = small_convolution(kind, arguments, options, size, pads, numbers)
        tensors.update({f"{name}.{tensor}": value for tensor, value in layer.items()})
        settings[name] = {"kernel": arguments[2], **options, "pads": pads}
    for name, (kind, options, size) in POOLS.items():
        layer = small_pool(kind, options, size, numbers)
        tensors.update({f"{name}.{tensor}": value for tensor, value in layer.items()})
        settings[name] = options
    return stored(tensors, settings)


# ----- the CIFAR-10 classifier -----


def classifier():
    """The 550,570 parameters: three blocks of two convolutions and a pool, and two dense layers."""
    layers = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        for channels in (inputs, outputs):
            layers += [torch.nn.Conv2d(channels, outputs, 3, padding=1), torch.nn.ReLU()]
        layers.append(torch.nn.MaxPool2d(2))
    layers += [torch.nn.Flatten(), torch.nn.Linear(2048, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)]
    return torch.nn.Sequential(*layers)


def initialise(model):
    with torch.no_grad():
        for position, tensor in enumerate(model.state_dict().values()):
            if tensor.dim() == 1:
                tensor.zero_()
                continue
            bound = numpy.sqrt(6.0 / tensor[0].numel())
            tensor.copy_(torch.from_numpy(uniform(tuple(tensor.shape), position, bound, SEED)))


def make_images():
    """Ten smooth colour prototypes, each sample a class's own plus something smooth and some noise."""

    def smooth(count, tensor):
        # A coarse grid of 6 by 6, stretched to 32 by 32 by linear interpolation along each axis.
        coarse = uniform((count, 3, 6, 6), tensor, 1.0, IMAGE_SEED).astype(numpy.float64)
        at = numpy.linspace(0.0, 5.0, 32)
        left = numpy.minimum(at.astype(numpy.int64), 4)
        share = at - left
        rows = coarse[:, :, left] * (1.0 - share)[:, None] + coarse[:, :, left + 1] * share[:, None]
        return rows[..., left] * (1.0 - share) + rows[..., left + 1] * share

    count = STEPS * BATCH
    labels = (bits(count, 0, 0, IMAGE_SEED) % numpy.uint32(10)).astype(numpy.uint8)
    # Little contrast, so that ten steps at these rates neither jump far up nor silence units.
    brightness = 0.5 + 0.14 * smooth(10, 1)[labels] + 0.06 * smooth(count, 2)
    brightness += uniform((count, 3, 32, 32), 3, 0.02, IMAGE_SEED)
    return numpy.rint(255.0 * numpy.clip(brightness, 0.0, 1.0)).astype(numpy.uint8), labels


def margin(images):
    """How near the first step's units and pools come to deciding otherwise, in root mean squares of their layer."""
    model = classifier().double()
    initialise(model)
    x, least = (torch.from_numpy(images[:BATCH]).double() / 255 - 0.5) / 0.25, numpy.inf
    with torch.no_grad():
        for module in model:
            if isinstance(module, torch.nn.MaxPool2d):
                windows = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
                first, second = windows.topk(2, -1).values.unbind(-1)
                least = min(least, ((first - second)[first > 0].min() / size).item())
            x = module(x)
            if isinstance(module, torch.nn.Conv2d) or (isinstance(module, torch.nn.Linear) and module is not model[-1]):
                size = x.pow(2).mean().sqrt()
                least = min(least, (x.abs().min() / size).item())
    return least


def flat(model):
    return {name: x.detach().numpy().ravel().copy() for name, x in model.state_dict().items()}


def train(images, labels, optimizer, dtype):
    """Ten steps; returns the loss before each, and the tensors after the first and the last one, flat."""
    model = classifier().to(dtype)
    initialise(model)
    assert sum(tensor.numel() for tensor in model.parameters()) == 550_570
    kind, settings = OPTIMIZERS[optimizer]
    optimizer = kind(model.parameters(), **settings)
    losses = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        x = (torch.from_numpy(images[rows]).to(dtype) / 255 - 0.5) / 0.25
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(labels[rows]).long())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step == 0:
            first = flat(model)
    return numpy.array(losses), first, flat(model)


def sample(tensor):
    count = min(len(tensor), SAMPLED)
    return tensor[numpy.arange(count) * len(tensor) // count].astype(numpy.float32)


def golden(images, labels, optimizer):
    losses, first, final = train(images, labels, optimizer, torch.float64)
    losses32, _, final32 = train(images, labels, optimizer, torch.float32)
    print(f"cifar10_vgg3_{optimizer}: losses {numpy.array2string(losses, precision=4)}; float32 deviates by")
    print(f"    losses {relative(losses32, losses):.1e}", end="")
    tensors = {"losses": losses}
    for name, tensor in final.items():
        tensors[name] = sample(tensor)
        print(f", {name} {relative(sample(final32[name]), tensors[name]):.1e}", end="")
        tensors[f"sums.{name}"] = numpy.array([tensor.sum(), (tensor * tensor).sum()])
        tensors[f"first.{name}"] = sample(first[name])
    print()
    settings = {"optimizer": optimizer, "seed": SEED, **OPTIMIZERS[optimizer][1]}
    return stored(tensors, settings)


# ----- a convolutional autoencoder -----

SEGMENTS = [[6, 8], [1, 9]]
CHANNELS = [3, 2]
KERNELS = [[3, 4], [2, 3]]
STRIDES = [[2, 3], [2, 2]]
AUTOENCODER_SEED = 500


class Segment(torch.nn.Module):
    """Convolutions of one segment and their transposes."""

    def __init__(self, size):
        super().__init__()
        self.size, self.plans, encoder, decoder = size, [], [], []
        inputs = 1
        for outputs, kernel, stride in zip(CHANNELS, KERNELS, STRIDES):
            kernel, stride = ([min(value, side) for value, side in zip(what, size)] for what in (kernel, stride))
            small = [-(-side // step) for side, step in zip(size, stride)]
            zeros = [max(0, (n - 1) * s + k - side) for n, s, k, side in zip(small, stride, kernel, size)]
            self.plans.append((size, zeros))
            encoder.append(torch.nn.Conv2d(inputs, outputs, kernel, stride))
            decoder.insert(0, torch.nn.ConvTranspose2d(outputs, inputs, kernel, stride))
            inputs, size = outputs, small
        self.encoder, self.decoder = torch.nn.ModuleList(encoder), torch.nn.ModuleList(decoder)

    def forward(self, x):
        x = x.reshape(len(x), 1, *self.size)
        for place, (layer, (_, zeros)) in enumerate(zip(self.encoder, self.plans)):
            top, left = zeros[0] // 2, zeros[1] // 2
            x = layer(torch.nn.functional.pad(x, [left, zeros[1] - left, top, zeros[0] - top]))
            x = torch.tanh(x) if place == 0 else x
        for place, (layer, (size, zeros)) in enumerate(zip(self.decoder, reversed(self.plans))):
            top, left = zeros[0] // 2, zeros[1] // 2
            # Where the windows end before the image does, only the bias reaches.
            missing = [max(0, side + before - reach) for side, before, reach in self.reaches(layer, x, size, zeros)]
            layer.output_padding = missing
            x = layer(x)[:, :, top : top + size[0], left : left + size[1]]
            x = torch.tanh(x) if place == 0 else x
        return x.reshape(len(x), -1)

    def reaches(self, layer, x, size, zeros):
        ends = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], layer.stride, layer.kernel_size)]
        return zip(size, [all_ // 2 for all_ in zeros], ends)


def autoencoder_tensors(segments):
    """Names and tensors in the order of fedfunnel's files: by part, layer and segment."""
    for part, modules in (("encoder", [0, 2]), ("decoder", [0, 2])):
        for place, module in enumerate(modules):
            for number, segment in enumerate(segments):
                layer = getattr(segment, part)[place]
                yield f"{part}.{module}.{number}.weight", layer.weight
                yield f"{part}.{module}.{number}.bias", layer.bias


def conv_autoencoder():
    segments = [Segment(size).double() for size in SEGMENTS]
    widths = [rows * columns for rows, columns in SEGMENTS]
    snapshots = uniform((5, sum(widths)), 0, 1.0, AUTOENCODER_SEED)
    tensors = {"snapshots": snapshots}
    named = list(autoencoder_tensors(segments))
    with torch.no_grad():
        for number, (name, tensor) in enumerate(named):
            tensors[f"initial.{name}"] = uniform(tuple(tensor.shape), number + 1, 0.6, AUTOENCODER_SEED)
            tensor.copy_(torch.from_numpy(tensors[f"initial.{name}"]))
    x = torch.from_numpy(snapshots).double()
    optimizer = torch.optim.Adam([tensor for _, tensor in named], lr=1e-2)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        parts = zip(segments, x.split(widths, dim=1))
        y = torch.cat([segment(part) for segment, part in parts], dim=1)
        loss = torch.nn.functional.mse_loss(y, x)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    tensors.update({f"final.{name}": tensor.detach().numpy() for name, tensor in named})
    tensors["losses"] = numpy.array(losses)
    print(f"conv_autoencoder: losses {numpy.array2string(tensors['losses'], precision=4)}")
    return stored(tensors, {"seed": AUTOENCODER_SEED, "segments": SEGMENTS, "channels": CHANNELS})


def main():
    arguments = argparse.ArgumentParser(description="Makes the goldens; see the top of this file.")
    arguments.add_argument("--check", action="store_true", help="write nothing, fail where a file would change")
    check = arguments.parse_args().check

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = make_images()
    assert margin(images) > 1e-5, margin(images)
    files = {"conv_small": conv_small(), "conv_autoencoder": conv_autoencoder()}
    files["cifar10_vgg3_inputs"] = stored({"images": images, "labels": labels})
    for optimizer in OPTIMIZERS:
        files[f"cifar10_vgg3_{optimizer}"] = golden(images, labels, optimizer)
    write_or_check(files, check)


if __name__ == "__main__":
    main()
