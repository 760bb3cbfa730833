"""The ServerApp: Flower's FedAvg, behind fedfunnel's strategy."""

import fedfunnel
from fedfunnel.flower import CodecStrategy
from flwr.app import ArrayRecord, MetricRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

from flower_pytorch.task import accuracy, network, tensors

app = ServerApp()


@app.main()
def main(grid, context):
    """Runs the federation, and says what it came to and what it sent."""
    of = context.run_config
    model = network()
    _, test = fedfunnel.load_data("mnist-sample")
    images, labels = tensors(*test)

    def evaluate(server_round, arrays):
        model.load_state_dict(arrays.to_torch_state_dict())
        return MetricRecord({"accuracy": accuracy(model, images, labels)})

    strategy = CodecStrategy(
        FedAvg(fraction_evaluate=0.0), codec=of.get("codec", "delta+feedback+topk(0.01)")
    )
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(network().state_dict()),
        num_rounds=of.get("num-server-rounds", 3),
        evaluate_fn=evaluate,
    )
    print(strategy.summary_of_bytes(), flush=True)
