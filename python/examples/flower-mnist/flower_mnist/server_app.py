"""The ServerApp: FedAvg, behind fedfunnel's strategy."""

from pathlib import Path

import fedfunnel
import numpy as np
from fedfunnel.flower import CodecStrategy, FedAvg
from flwr.app import Array, ArrayRecord, MetricRecord
from flwr.serverapp import ServerApp

from flower_mnist.task import MODEL, settings

app = ServerApp()


@app.main()
def main(grid, context):
    """Runs the federation, and says what it came to and what it sent."""
    of = settings(context)
    _, (images, labels) = fedfunnel.load_data("mnist-sample")
    model = fedfunnel.Classifier(MODEL, seed=of["seed"])

    def test(server_round, arrays):
        model.weights = arrays["weights"].numpy()
        found = model.evaluate(images, labels)
        return MetricRecord({"loss": found["loss"], "accuracy": found["accuracy"]})

    strategy = CodecStrategy(FedAvg(fraction_evaluate=0.0), codec=of["codec"], seed=of["seed"])
    result = strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord({"weights": Array(model.weights)}),
        num_rounds=of["num-server-rounds"],
        evaluate_fn=test,
    )
    print(strategy.summary_of_bytes(), flush=True)
    accuracy = result.evaluate_metrics_serverapp[of["num-server-rounds"]]["accuracy"]
    print(f"accuracy {accuracy:.4f}", flush=True)
    if of["out"]:
        np.save(Path(of["out"]), result.arrays["weights"].numpy())
