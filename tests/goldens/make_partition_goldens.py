"""Makes tests/goldens/partition.json: what flwr-datasets' partitioners come to.

    pip install flwr-datasets
    python tests/goldens/make_partition_goldens.py

Sizes are exact. Of partitioners that draw, there are means over many seeds; ours draw from another generator.
"""

import json
import pathlib
import warnings

import datasets
import numpy as np
from flwr_datasets import partitioner as p

warnings.filterwarnings("ignore")
datasets.disable_progress_bars()

CLASSES = 10
SAMPLES = 2000
SEEDS = 60
LABELS = [(i * 7 + i // CLASSES) % CLASSES for i in range(SAMPLES)]
VALUES = [i * 37 % 256 for i in range(SAMPLES)]
DATA = datasets.Dataset.from_dict({"label": LABELS, "value": VALUES})


def parts(partitioner, data=DATA):
    partitioner.dataset = data
    count = partitioner.num_partitions
    partitioner.load_partition(0)
    return [list(map(int, partitioner._partition_id_to_indices[i])) for i in range(count)]


def sizes(partitioner, data=DATA):
    return [len(part) for part in parts(partitioner, data)]


def growing():
    out = []
    for name, make in [
        ("linear", p.LinearPartitioner),
        ("square", p.SquarePartitioner),
        ("exponential", p.ExponentialPartitioner),
    ]:
        for samples, count in [(60000, 10), (6000, 7), (50000, 8), (999, 3), (2000, 1), (60000, 30)]:
            if name == "exponential" and count == 30:
                continue
            data = datasets.Dataset.from_dict({"label": [0] * samples})
            out.append({"kind": name, "samples": samples, "sizes": sizes(make(count), data)})
    return out


def counts(part):
    return [sum(LABELS[i] == c for i in part) for c in range(CLASSES)]


def concentration(all_parts):
    """The mean, over collaborators with samples, of the sum of squares of their class proportions."""
    shares = [np.array(counts(part)) / len(part) for part in all_parts if part]
    return float(np.mean([np.sum(share**2) for share in shares]))


def explained(all_parts):
    """How much of the variance of the values lies between collaborators."""
    values = np.array(VALUES, dtype=float)
    between = sum(len(part) * (values[part].mean() - values.mean()) ** 2 for part in all_parts)
    return float(between / (len(values) * values.var()))


def mean(measure, make):
    return float(np.mean([measure(parts(make(seed))) for seed in range(SEEDS)]))


def largest(all_parts):
    return max(map(len, all_parts))


def drawn():
    out = []
    for alpha in [0.1, 0.5, 5.0]:
        for balancing in [False, True]:
            make = lambda seed: p.DirichletPartitioner(
                10, "label", alpha, min_partition_size=0, self_balancing=balancing, seed=seed
            )
            toml = f'kind = "dirichlet"\nalpha = {alpha}\nself_balancing = {str(balancing).lower()}\nmin_size = 0'
            out.append({"toml": toml, "concentration": mean(concentration, make), "largest": mean(largest, make)})
        make = lambda seed: p.InnerDirichletPartitioner([100] * 10, "label", alpha, seed=seed)
        toml = f'kind = "inner-dirichlet"\nalpha = {alpha}\npartition_sizes = {[100] * 10}'
        out.append({"toml": toml, "concentration": mean(concentration, make), "largest": 100})
    for strictness in [0.0, 0.3, 0.7, 1.0]:
        make = lambda seed: p.ContinuousPartitioner(10, "value", strictness, seed=seed)
        out.append({"toml": f'kind = "continuous"\nstrictness = {strictness}', "explained": mean(explained, make)})
    return out


def deterministic():
    make = p.PathologicalPartitioner(13, "label", 3, class_assignment_mode="deterministic")
    return [counts(part) for part in parts(make)]


def shards():
    out = []
    for toml, options in [
        ("shards_per_collaborator = 2\nshard_size = 90", dict(num_shards_per_partition=2, shard_size=90)),
        ("shard_size = 70", dict(shard_size=70)),
        ("shard_size = 70\nkeep_incomplete_shard = true", dict(shard_size=70, keep_incomplete_shard=True)),
    ]:
        of = sorted(sizes(p.ShardPartitioner(9, "label", **options)))
        out.append({"toml": 'kind = "shard"\n' + toml, "sum": sum(of), "sizes": of})
    return out


golden = {
    "samples": SAMPLES,
    "growing": growing(),
    "drawn": drawn(),
    "deterministic": deterministic(),
    "shards": shards(),
}
path = pathlib.Path(__file__).with_name("partition.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
