"""Flower's FedAvg with the engine's sums."""

import numpy as np
from flwr.app import Array, ArrayRecord
from flwr.serverapp import strategy


class FedAvg(strategy.FedAvg):
    """Flower's FedAvg, but that it averages as fedfunnel's simulations do: models times numbers of examples are added up
    in float32, in the order of nodes, and the sum is divided. Flower's own rounds otherwise, which training makes more
    of, round after round."""

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        arrays, metrics = super().aggregate_train(server_round, replies)
        if arrays is None:
            return arrays, metrics
        taken = [reply.content for reply in replies if not reply.has_error()]
        counts = [
            np.float32(next(iter(content.metric_records.values()))[self.weighted_by_key])
            for content in taken
        ]
        models = [next(iter(content.array_records.values())) for content in taken]
        total = np.sum(counts, dtype=np.float32)

        def average(name):
            values = [model[name].numpy() for model in models]
            if values[0].dtype != np.float32:
                return arrays[name]
            mean = np.zeros_like(values[0])
            for one, count in zip(values, counts, strict=True):
                mean += count * one
            return Array(mean / total)

        return ArrayRecord({name: average(name) for name in arrays}), metrics
