"""The app on a SuperLink and two SuperNodes: the one test that takes a minute."""

import importlib
import sys

import fedfunnel
import numpy as np
import pytest

pytest.importorskip("flwr")

from loopback import EXAMPLES, Federation  # noqa: E402
from test_flower import strictly_equal  # noqa: E402


@pytest.mark.loopback
def test_two_rounds_on_a_superlink_and_two_supernodes(tmp_path):
    sys.path.insert(0, str(EXAMPLES / "flower-mnist"))
    settings = {"codec": "prior+pca(10)+f16", "images": 1200, "snapshot-every": 12}
    out = tmp_path / "weights.npy"
    given = f'codec="{settings["codec"]}" images=1200 snapshot-every=12 out="{out}"'
    with Federation(tmp_path / "federation") as federation:
        said, run = federation.run(EXAMPLES / "flower-mnist", given, timeout=180)
    assert run["status"] == "finished:completed", (said, run)
    assert "accuracy 0." in said
    simulated = fedfunnel.simulate(importlib.import_module("simulate").spec(**settings))
    assert strictly_equal(np.load(out), list(simulated.weights.values())[1])
    assert all(process.poll() is not None for process in federation.processes)
