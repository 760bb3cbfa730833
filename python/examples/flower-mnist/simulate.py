"""The same federation as a simulation of fedfunnel; with the weights of a run of the app, how far they are apart.

    flwr run . loopback --stream -c 'out="/tmp/weights.npy"' && python simulate.py /tmp/weights.npy
"""

import sys

import fedfunnel
import numpy as np
from flower_mnist.task import DEFAULTS, MODEL


def spec(collaborators=2, **settings):
    """The spec of a simulation with the app's settings."""
    of = {**DEFAULTS, **settings}
    codec = of["codec"].replace("pca(10)", "pca(floats=10)")
    return {
        "data": "mnist-sample",
        "images": of["images"],
        "model": MODEL,
        "collaborators": collaborators,
        "rounds": of["num-server-rounds"],
        "local_epochs": of["local-epochs"],
        "batch": of["batch"],
        "seed": of["seed"],
        "codecs": [codec] if codec == "raw" else ["raw", codec],
        "optimizer": {"kind": "adam", "lr": of["lr"]},
        "prepass": {"epochs": of["prepass-epochs"], "snapshot_every": of["snapshot-every"]},
    }


if __name__ == "__main__":
    result = fedfunnel.simulate(spec())
    for label, run in result["runs"].items():
        print(f"{label}: accuracy {run['final_accuracy']:.4f}, {run['message_bytes']} bytes an update")
    if len(sys.argv) > 1:
        weights = list(result.weights.values())[-1]
        apart = np.abs(np.load(sys.argv[1]) - weights).max() / np.abs(weights).max()
        print(f"the app's weights are {apart:.2e} of the largest apart from the simulation's")
