#!/usr/bin/env python3
"""Works of `fedfunnel bench` in PyTorch: the same shapes, the same optimisers, synthetic data.

    pip install torch numpy
    python benches/peers/torch_works.py mnist-epoch cifar-train-b64
    python benches/peers/torch_works.py all --device cuda

Prints the JSON list that `fedfunnel bench --json` prints. Float32 throughout; TF32 stays off.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn


def repeated(step, device, repeats):
    """Seconds of each repeat, after one to warm up. The device has finished when a time is taken."""
    finish = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        step()
        finish()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def classifier_epoch(model, optimizer, images, labels):
    """One epoch in steps of 64."""
    criterion = nn.CrossEntropyLoss()

    def epoch():
        for inputs, targets in zip(images.split(64), labels.split(64)):
            optimizer.zero_grad(set_to_none=True)
            criterion(model(inputs), targets).backward()
            optimizer.step()

    return epoch


def labels_of(count, device):
    return torch.arange(count, device=device) % 10


def mnist_epoch(device):
    """784-20-10, Adam, 938 steps."""
    model = nn.Sequential(nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10)).to(device)
    images = torch.rand(60_000, 784, device=device)
    return classifier_epoch(model, torch.optim.Adam(model.parameters()), images, labels_of(60_000, device)), None


def cifar_train_b64(device):
    """The 550,570-parameter classifier, SGD with momentum, 4 steps."""
    layers, channels = [], 3
    for width in (32, 64, 128):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10)]
    model = nn.Sequential(*layers).to(device)
    assert sum(p.numel() for p in model.parameters()) == 550_570
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images = torch.rand(256, 3, 32, 32, device=device)
    return classifier_epoch(model, optimizer, images, labels_of(256, device)), ("images/s", 256)


def wide_autoencoder(batch):
    """550,570-320-550,570, one step of fused Adam."""

    def prepare(device):
        width, latent = 550_570, 320
        model = nn.Sequential(nn.Linear(width, latent), nn.Linear(latent, width)).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
        snapshots = torch.randn(batch, width, device=device)

        def step():
            optimizer.zero_grad(set_to_none=True)
            nn.functional.mse_loss(model(snapshots), snapshots).backward()
            optimizer.step()

        # The first step makes the moments.
        step()
        return step, None

    return prepare


def matmul_512(device):
    """512x512 times 512x512, twenty times over so that a call's own cost is spread."""
    a, b = torch.rand(512, 512, device=device), torch.rand(512, 512, device=device)

    def products():
        for _ in range(20):
            a @ b

    return products, ("GFLOP/s", 2 * 512**3 * 1e-9)


WORKS = {
    "matmul-512": (matmul_512, 20, 20),
    "mnist-epoch": (mnist_epoch, 1, 5),
    "cifar-train-b64": (cifar_train_b64, 1, 7),
    "wide-ae-adam-b8": (wide_autoencoder(8), 1, 5),
    "wide-ae-adam-b40": (wide_autoencoder(40), 1, 5),
}


def measure(name, device):
    prepare, times, repeats = WORKS[name]
    torch.manual_seed(7)
    step, rate = prepare(device)
    seconds = [taken / times for taken in repeated(step, device, repeats)]
    median = statistics.median(seconds)
    unit, amount = rate or ("s", None)
    return {
        "name": name,
        "value": amount / median if amount else median,
        "unit": unit,
        "seconds": {"median": median, "min": min(seconds), "max": max(seconds)},
        "repeats": repeats,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="+", choices=[*WORKS, "all"])
    parser.add_argument("--device", default="cpu", type=torch.device)
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    names = list(WORKS) if "all" in arguments.works else arguments.works
    print(json.dumps([measure(name, arguments.device) for name in names], indent=2))


if __name__ == "__main__":
    main()
