"""The model, a node's images, and plain training with PyTorch."""

import fedfunnel
import torch
import torch._dynamo  # noqa: F401  (before fedfunnel opens a device: see docs/deployment.md)
from torch import nn


def network():
    """A small convolutional network; the same initial weights wherever it is made."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 6 * 6, 10),
    )


def tensors(images, labels):
    """Images as floats from 0 to 1, and labels."""
    return torch.from_numpy(images).float() / 255, torch.from_numpy(labels).long()


def share(context, limit=2000):
    """The images of a node, every nth of the sample."""
    (images, labels), _ = fedfunnel.load_data("mnist-sample")
    who, count = context.node_config["partition-id"], context.node_config["num-partitions"]
    return tensors(images[who:limit:count], labels[who:limit:count])


def train(model, images, labels, lr, batch):
    """One epoch of SGD; gives the mean loss."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    model.train()
    total = 0.0
    for places in torch.randperm(len(labels)).split(batch):
        optimizer.zero_grad()
        loss = loss_of(model(images[places]), labels[places])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(places)
    return total / len(labels)


@torch.no_grad()
def accuracy(model, images, labels):
    """The part of the images that are classified right."""
    model.eval()
    return (model(images).argmax(1) == labels).float().mean().item()
