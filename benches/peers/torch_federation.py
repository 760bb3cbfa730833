#!/usr/bin/env python3
"""`fedfunnel simulate thousand` with raw updates as a plain PyTorch loop: one collaborator after the other.

    pip install torch numpy
    python benches/peers/torch_federation.py --collaborators 1000 --images 60 --per-round 50 --rounds 100

Synthetic images of MNIST's shape; 784-20-10, plain SGD, batches of 10, a weighted mean, and a test on 10,000 images after
every ten rounds. Prints {"seconds": ...} of the rounds, without imports and data.
"""

import argparse
import json
import time

import torch
from torch import nn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collaborators", type=int, default=1000)
    parser.add_argument("--images", type=int, default=60, help="of each")
    parser.add_argument("--per-round", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--test-every", type=int, default=10)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    images = torch.rand(arguments.collaborators, arguments.images, 784)
    labels = torch.randint(0, 10, (arguments.collaborators, arguments.images))
    test_images, test_labels = torch.rand(10_000, 784), torch.randint(0, 10, (10_000,))
    model = nn.Sequential(nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10))
    criterion = nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    weights = [p.detach().clone() for p in parameters]

    def local_epoch(who):
        with torch.no_grad():
            for parameter, weight in zip(parameters, weights):
                parameter.copy_(weight)
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        order = torch.randperm(arguments.images)
        for batch in order.split(10):
            optimizer.zero_grad(set_to_none=True)
            criterion(model(images[who, batch]), labels[who, batch]).backward()
            optimizer.step()

    local_epoch(0)
    start = time.perf_counter()
    for number in range(1, arguments.rounds + 1):
        sums = [torch.zeros_like(p) for p in weights]
        for who in torch.randperm(arguments.collaborators)[: arguments.per_round].tolist():
            local_epoch(who)
            with torch.no_grad():
                for total, parameter in zip(sums, parameters):
                    total.add_(parameter, alpha=1 / arguments.per_round)
        weights = sums
        if number % arguments.test_every == 0:
            with torch.no_grad():
                for parameter, weight in zip(parameters, weights):
                    parameter.copy_(weight)
                (model(test_images).argmax(1) == test_labels).float().mean().item()
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
