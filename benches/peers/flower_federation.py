#!/usr/bin/env python3
"""The same federation in Flower's simulation engine (Ray).

    pip install "flwr[simulation]==1.42.0" torch numpy
    python benches/peers/flower_federation.py --collaborators 1000 --per-round 50 --rounds 10

Each client trains 784-20-10 on 60 synthetic images in batches of 10, for one epoch; FedAvg samples --per-round of
--collaborators. Prints {"seconds": ..., "start": ...}: the rounds, and everything before the first.
"""

import argparse
import json
import os
import sys
import time

os.environ.update(
    RAY_USAGE_STATS_ENABLED="0", FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1", OMP_NUM_THREADS="1"
)
BEGAN = time.perf_counter()

import torch  # noqa: E402
from flwr.app import ArrayRecord, MetricRecord, RecordDict, Message  # noqa: E402
from flwr.clientapp import ClientApp  # noqa: E402
from flwr.serverapp import ServerApp  # noqa: E402
from flwr.serverapp.strategy import FedAvg  # noqa: E402
from flwr.simulation import run_simulation  # noqa: E402
from torch import nn  # noqa: E402


def network():
    return nn.Sequential(nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10))


client = ClientApp()


@client.train()
def train(message, context):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(int(context.node_config["partition-id"]))
    images = torch.rand(60, 784, generator=generator)
    labels = torch.randint(0, 10, (60,), generator=generator)
    model = network()
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss()
    for batch in torch.randperm(60).split(10):
        optimizer.zero_grad(set_to_none=True)
        criterion(model(images[batch]), labels[batch]).backward()
        optimizer.step()
    content = {"arrays": ArrayRecord(model.state_dict()), "metrics": MetricRecord({"num-examples": 60})}
    return Message(content=RecordDict(content), reply_to=message)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collaborators", type=int, default=1000)
    parser.add_argument("--per-round", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    times = {}
    server = ServerApp()

    @server.main()
    def serve(grid, context):
        strategy = FedAvg(
            fraction_train=arguments.per_round / arguments.collaborators,
            fraction_evaluate=0.0,
            min_train_nodes=arguments.per_round,
            min_evaluate_nodes=0,
            min_available_nodes=arguments.collaborators,
        )
        times["start"] = time.perf_counter() - BEGAN
        begin = time.perf_counter()
        strategy.start(grid=grid, initial_arrays=ArrayRecord(network().state_dict()), num_rounds=arguments.rounds)
        times["seconds"] = time.perf_counter() - begin

    out, sys.stdout = sys.stdout, sys.stderr
    resources = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"include_dashboard": False}}
    run_simulation(
        server_app=server, client_app=client, num_supernodes=arguments.collaborators, backend_config=resources
    )
    print(json.dumps(times), file=out)


if __name__ == "__main__":
    main()
