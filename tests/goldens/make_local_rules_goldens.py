#!/usr/bin/env python3
"""Makes the golden of federations whose strategies add something to the steps of local training.

    pip install torch numpy safetensors
    python tests/goldens/make_local_rules_goldens.py            # rewrites tests/goldens/local_rules.safetensors
    python tests/goldens/make_local_rules_goldens.py --check    # writes nothing; fails where the file would change

Three collaborators with 13, 8 and 5 images of 3 by 3 pixels train nn.Sequential(Linear(9, 7), ReLU(), Linear(7, 4)) by
SGD with cross-entropy, in batches of 4 (the last of an epoch is smaller), two epochs a round, for three rounds. PyTorch
computes in float64. Each method is written as its paper has it, by gradients of penalised losses and by what both sides
keep, and not as the engine does it:

fedavg      McMahan et al. 2017, mean weighted by images
fedprox     Li et al., 1812.06127, the same mean; the loss has mu / 2 |w - start|^2
scaffold    Karimireddy et al., 1910.06378, algorithm 1, option II, global rate 1
scaffold_m  Cheng et al., 2306.16504: steps of beta (g - c_i + c) + (1 - beta) m, c_i the mean gradient of the steps, m
            the mean direction of all steps of the round before, of each collaborator by its own number of steps
feddyn      Acar et al., 2111.04263, algorithm 1, by steps of SGD

The file holds images u8 [26, 9], labels u8 [26], initial f32 [P], settings f64 [5] (rate, weight decay, mu, alpha, beta)
and for each method its global models f64 [3, P], one for each round.

The order of images is the engine's: Fisher and Yates' shuffle by ChaCha8, seeded by SplitMix64's finaliser
(src/data/order.rs); it is written out again below.
"""

import argparse
import pathlib
import sys

import numpy
import torch
from safetensors.numpy import save

HERE = pathlib.Path(__file__).parent
NAME = "local_rules.safetensors"
SHARES = [13, 8, 5]
BATCH, EPOCHS, ROUNDS, SEED = 4, 2, 3, 11
RATE, DECAY, MU, ALPHA, BETA = 0.25, 0.01, 0.5, 0.3, 0.4
MASK = (1 << 64) - 1


def mix(seed):
    z = (seed + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def derive_seed(seed, stream):
    return mix((mix(seed) + stream) & MASK)


def key_of(state):
    """Eight words for ChaCha from a number, by PCG32, as rand_core makes them."""
    words = []
    for _ in range(8):
        state = (state * 6364136223846793005 + 11634580027462260723) & MASK
        shifted = (((state >> 18) ^ state) >> 27) & 0xFFFFFFFF
        turn = state >> 59
        words.append((shifted >> turn | shifted << (-turn & 31)) & 0xFFFFFFFF)
    return words


def chacha8(key):
    """The words of ChaCha with 8 rounds, a counter of 64 bits and stream 0."""

    def quarter(x, a, b, c, d):
        for first, second, third, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[first] = (x[first] + x[second]) & 0xFFFFFFFF
            word = x[third] ^ x[first]
            x[third] = (word << turn | word >> (32 - turn)) & 0xFFFFFFFF

    counter = 0
    while True:
        begun = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key, counter & 0xFFFFFFFF, counter >> 32, 0, 0]
        x = list(begun)
        for _ in range(4):
            for column in range(4):
                quarter(x, column, 4 + column, 8 + column, 12 + column)
            for column in range(4):
                quarter(x, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
        for word, before in zip(x, begun):
            yield (word + before) & 0xFFFFFFFF
        counter += 1


def epoch_order(length, seed, epoch):
    words = chacha8(key_of(derive_seed(seed, epoch)))
    order = list(range(length))
    for last in reversed(range(1, length)):
        bound = last + 1
        unfair = (1 << 64) % bound
        while True:
            low = next(words)
            product = (next(words) << 32 | low) * bound
            if product & MASK >= unfair:
                break
        other = product >> 64
        order[last], order[other] = order[other], order[last]
    return order


def inputs():
    """Images that are brighter in places by their class, and shares of mostly one or two classes each."""
    numbers = numpy.random.Generator(numpy.random.PCG64(5))
    labels = numpy.concatenate([
        numbers.choice(4, share, p=weights)
        for share, weights in zip(SHARES, ([0.6, 0.3, 0.1, 0.0], [0.0, 0.1, 0.3, 0.6], [0.1, 0.4, 0.4, 0.1]))
    ])
    prototypes = numbers.uniform(40, 215, (4, 9))
    images = numpy.clip(prototypes[labels] + numbers.normal(0, 35, (len(labels), 9)), 0, 255)
    initial = [numbers.uniform(-bound, bound, count) for bound, count in ((1 / 3, 70), (7**-0.5, 32))]
    return images.astype(numpy.uint8), labels.astype(numpy.uint8), numpy.concatenate(initial).astype(numpy.float32)


class Federation:
    def __init__(self, images, labels, initial):
        self.x = torch.from_numpy(images).double() / 255
        self.y = torch.from_numpy(labels).long()
        self.initial = torch.from_numpy(initial).double()
        starts = numpy.concatenate([[0], numpy.cumsum(SHARES)])
        self.shares = [list(range(starts[k], starts[k + 1])) for k in range(len(SHARES))]

    def gradient(self, w, batch):
        """Of the mean loss of a batch, with weight decay in it."""
        w = w.clone().requires_grad_()
        first, first_bias, second, second_bias = torch.split(w, [63, 7, 28, 4])
        hidden = torch.relu(self.x[batch] @ first.reshape(7, 9).T + first_bias)
        output = hidden @ second.reshape(4, 7).T + second_bias
        loss = torch.nn.functional.cross_entropy(output, self.y[batch]) + DECAY / 2 * (w * w).sum()
        return torch.autograd.grad(loss, w)[0]

    def train(self, who, start, number, step):
        """The weights, how many steps, and the mean gradient of the steps; `step` makes a direction of a gradient."""
        w, gradients, share = start.clone(), [], self.shares[who]
        for epoch in range(number * EPOCHS, (number + 1) * EPOCHS):
            order = epoch_order(len(share), derive_seed(SEED, who), epoch)
            for first in range(0, len(order), BATCH):
                batch = [share[place] for place in order[first:first + BATCH]]
                gradients.append(self.gradient(w, batch))
                w = w - RATE * step(gradients[-1], w)
        return w, len(gradients), torch.stack(gradients).mean(0)

    def weighted(self, models):
        return sum(share * model for share, model in zip(SHARES, models)) / sum(SHARES)

    def fedprox(self, mu):
        x, models = self.initial, []
        for number in range(ROUNDS):
            start = x
            each = [self.train(k, start, number, lambda g, w: g + mu * (w - start))[0] for k in range(len(SHARES))]
            x = self.weighted(each)
            models.append(x)
        return models

    def scaffold(self):
        x, models, c = self.initial, [], torch.zeros_like(self.initial)
        own = [c for _ in SHARES]
        for number in range(ROUNDS):
            moved, changed = [], []
            for k in range(len(SHARES)):
                y, steps, _ = self.train(k, x, number, lambda g, w: g - own[k] + c)
                renewed = own[k] - c + (x - y) / (steps * RATE)
                moved.append(y - x)
                changed.append(renewed - own[k])
                own[k] = renewed
            x = x + sum(moved) / len(SHARES)
            c = c + sum(changed) / len(SHARES)
            models.append(x)
        return models

    def scaffold_m(self):
        x, models, c, m = self.initial, [], torch.zeros_like(self.initial), torch.zeros_like(self.initial)
        own = [c for _ in SHARES]
        for number in range(ROUNDS):
            ends, directions, renewed = [], [], []
            for k in range(len(SHARES)):
                y, steps, mean = self.train(k, x, number, lambda g, w: BETA * (g - own[k] + c) + (1 - BETA) * m)
                ends.append(y)
                directions.append((x - y) / (steps * RATE))
                renewed.append(mean)
            c = c + sum(new - old for new, old in zip(renewed, own)) / len(SHARES)
            own, m = renewed, sum(directions) / len(SHARES)
            x = sum(ends) / len(SHARES)
            models.append(x)
        return models

    def feddyn(self):
        x, models, h = self.initial, [], torch.zeros_like(self.initial)
        own = [h for _ in SHARES]
        for number in range(ROUNDS):
            start, ends = x, []
            for k in range(len(SHARES)):
                step = lambda g, w: g - own[k] + ALPHA * (w - start)
                ends.append(self.train(k, start, number, step)[0])
            own = [g - ALPHA * (end - start) for g, end in zip(own, ends)]
            h = h - ALPHA / len(SHARES) * sum(end - start for end in ends)
            x = sum(ends) / len(SHARES) - h / ALPHA
            models.append(x)
        return models


def main():
    arguments = argparse.ArgumentParser(description="Makes the golden; see the top of this file.")
    arguments.add_argument("--check", action="store_true", help="write nothing, fail where the file would change")
    check = arguments.parse_args().check
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels, initial = inputs()
    federation = Federation(images, labels, initial)
    methods = {
        "fedavg": federation.fedprox(0.0),
        "fedprox": federation.fedprox(MU),
        "scaffold": federation.scaffold(),
        "scaffold_m": federation.scaffold_m(),
        "feddyn": federation.feddyn(),
    }
    tensors = {name: torch.stack(models).numpy() for name, models in methods.items()}
    for name, models in tensors.items():
        apart = numpy.abs(models - tensors["fedavg"]).max(1)
        print(f"{name}: from fedavg by {', '.join(f'{value:.3f}' for value in apart)} after each round")
    settings = numpy.array([RATE, DECAY, MU, ALPHA, BETA])
    content = save({"images": images, "labels": labels, "initial": initial, "settings": settings, **tensors})
    path = HERE / NAME
    changes = not path.exists() or path.read_bytes() != content
    if not check:
        path.write_bytes(content)
    elif changes:
        sys.exit(f"would change: {NAME}")


if __name__ == "__main__":
    main()
