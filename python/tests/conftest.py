"""What tests share: one device, a sample of images, and a model that has trained a little."""

import importlib.util

# PyTorch's compiler brings an LLVM of its own, which ends the process where Mesa's driver for the processor has used
# another one before; the other way round both work.
if importlib.util.find_spec("torch"):
    import torch._dynamo  # noqa: F401

import fedfunnel
import pytest


@pytest.fixture(scope="session")
def sample():
    """The sample of MNIST: ((images, labels), (test images, test labels))."""
    return fedfunnel.load_data("mnist-sample")


@pytest.fixture(scope="session")
def trained(sample):
    """Weights before and after a training, and what it has logged."""
    (images, labels), _ = sample
    model = fedfunnel.Classifier("mnist-mlp", seed=3)
    start = model.weights
    model.train(images[:600], labels[:600], epochs=4, batch=32, snapshots=9)
    return start, model.weights, model.snapshots
