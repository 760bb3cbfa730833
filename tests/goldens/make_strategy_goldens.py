#!/usr/bin/env python3
"""Make tests/goldens/strategies.safetensors: rounds of Flower's own strategies on small random arrays.

    python3 -m venv fl && fl/bin/pip install flwr==1.42.0 safetensors
    fl/bin/python tests/goldens/make_strategy_goldens.py [--check]

Flower aggregates in the process, without an engine: replies go into `aggregate_train` of each strategy, in float64, and
what it gives is the global model of the next round. The updates are the same for all strategies and do not depend on
the global model. `--check` compares with the file that is there and writes nothing.

The file has `global` [P] and `updates` [rounds, collaborators, P] in f32, `samples` [collaborators] and `losses` [rounds,
collaborators] in f64, and for each strategy the global model after each round, [rounds, P] in f64. `principal` is not
Flower's: it is the aggregation of FedLD by its definition, with numpy's singular value decomposition.

What Flower 1.42 does otherwise than the papers, and fedfunnel with it unless an option says otherwise:
- FedAdam scales its rate by sqrt(1 - beta2^(t+1)) / (1 - beta1^(t+1)) in round t; Reddi et al. do not, and Kingma and Ba
  have t as exponent.
- second moments begin at 0; Reddi et al. begin at tau^2 or more.
- MultiKrum weighs the updates that it keeps by their numbers of examples; Blanchard et al. take the plain mean.
- MultiKrum keeps 1 update where nothing is said; fedfunnel keeps all but the byzantine ones.
"""

import argparse
import logging
import os
import sys

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower
from flwr.supercore.task_identity import TaskIdentity
from safetensors.numpy import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "strategies.safetensors")
PARAMETERS, COLLABORATORS, ROUNDS = 48, 7, 5
SAMPLES = [10.0, 35.0, 20.0, 5.0, 80.0, 15.0, 60.0]

logging.getLogger("flwr").setLevel(logging.WARNING)
TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1


def strategies():
    """Flower's strategies, with the options that the test gives ours."""
    adaptive = {"eta": 0.1, "eta_l": 0.1}
    return {
        "fedavg": flower.FedAvg(),
        "fedavgm": flower.FedAvgM(server_learning_rate=0.7, server_momentum=0.9),
        "fedadam": flower.FedAdam(),
        "fedadam_other": flower.FedAdam(beta_1=0.5, beta_2=0.75, tau=0.25, **adaptive),
        "fedyogi": flower.FedYogi(),
        "fedadagrad": flower.FedAdagrad(),
        "fedmedian": flower.FedMedian(),
        "fedtrimmedavg": flower.FedTrimmedAvg(),
        "fedtrimmedavg_other": flower.FedTrimmedAvg(beta=0.45),
        "krum": flower.Krum(num_malicious_nodes=2),
        "multikrum": flower.MultiKrum(num_malicious_nodes=1, num_nodes_to_select=4),
        "qfedavg": flower.QFedAvg(client_learning_rate=0.1),
        "qfedavg_other": flower.QFedAvg(client_learning_rate=0.1, q=2.0),
    }


def record(weights):
    return ArrayRecord({"weights": Array(np.asarray(weights, dtype=np.float64).reshape(6, -1).copy())})


def reply(node, weights, samples, loss):
    asked = Message(RecordDict(), dst_node_id=node + 1, message_type="train")
    metrics = MetricRecord({"num-examples": samples, "train_loss": loss})
    return Message(RecordDict({"arrays": record(weights), "metrics": metrics}), reply_to=asked)


def begin(strategy, weights):
    """What `configure_train` leaves, without nodes to ask."""
    if isinstance(strategy, flower.FedAdam | flower.FedYogi | flower.FedAdagrad):
        strategy.current_arrays = {key: array.numpy() for key, array in record(weights).items()}
    elif isinstance(strategy, flower.QFedAvg):
        strategy.current_arrays = record(weights)
    elif isinstance(strategy, flower.FedAvgM) and strategy.current_arrays is None:
        strategy.current_arrays = record(weights)


def principal(weights, updates, part=0.8):
    """The aggregation of FedLD, as a sum of projections: nothing is shared with the Rust, which never makes them."""
    changes = updates - weights
    _, singular, directions = np.linalg.svd(changes, full_matrices=False)
    values = singular**2
    revised = np.zeros_like(changes)
    for value, direction in list(zip(values, directions))[: max(1, int(part * len(changes)))]:
        for row, change in zip(revised, changes):
            along = np.dot(change, direction) * direction
            row += along / np.linalg.norm(along) * np.linalg.norm(change) * value / values.sum()
    return weights + revised.mean(0)


def make():
    random = np.random.default_rng(16)
    start = random.normal(size=PARAMETERS).astype(np.float32)
    # Updates lie around a point that moves, and one collaborator's far away.
    centre = random.normal(size=(ROUNDS, 1, PARAMETERS)) * 0.5 + start
    updates = centre + random.normal(size=(ROUNDS, COLLABORATORS, PARAMETERS)) * 0.2
    updates[:, 3] += 2.0
    updates = updates.astype(np.float32)
    losses = random.uniform(0.1, 3.0, size=(ROUNDS, COLLABORATORS)).astype(np.float32).astype(np.float64)
    made = {"global": start, "updates": updates, "samples": np.array(SAMPLES), "losses": losses}
    for name, strategy in strategies().items():
        weights, rounds = start.astype(np.float64), []
        for number in range(ROUNDS):
            begin(strategy, weights)
            replies = [
                reply(node, updates[number, node], SAMPLES[node], float(losses[number, node]))
                for node in range(COLLABORATORS)
            ]
            arrays, _ = strategy.aggregate_train(number + 1, replies)
            weights = arrays["weights"].numpy().reshape(-1)
            assert weights.dtype == np.float64, (name, weights.dtype)
            rounds.append(weights)
        made[name] = np.stack(rounds)
    weights, rounds = start.astype(np.float64), []
    for number in range(ROUNDS):
        weights = principal(weights, updates[number].astype(np.float64))
        rounds.append(weights)
    made["principal"] = np.stack(rounds)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file, and write nothing")
    made = make()
    if not parser.parse_args().check:
        save_file(made, FILE)
        print(f"{FILE}: {os.path.getsize(FILE)} bytes")
        return 0
    there = load_file(FILE)
    worst = {name: float(np.abs(there[name] - values).max()) for name, values in made.items()}
    print("\n".join(f"{name:20} {error:.3g}" for name, error in worst.items()))
    return int(set(there) != set(made) or max(worst.values()) > 1e-12)


if __name__ == "__main__":
    sys.exit(main())
