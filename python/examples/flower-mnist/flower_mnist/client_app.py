"""The ClientApp: local training by compute shaders, behind fedfunnel's mod."""

import fedfunnel
from fedfunnel.flower import CodecMod
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict

from flower_mnist.task import settings, train


def log_weights(msg, context):
    """The weights of a training by itself, from which the node learns its codec."""
    of = settings(context)
    weights = msg.content.array_records["arrays"]["weights"].numpy()
    model, _ = train(
        context, weights, of["prepass-epochs"], fedfunnel.PREPASS_EPOCH, of["snapshot-every"]
    )
    return model.snapshots


app = CodecMod(snapshots=log_weights).client_app()


@app.train()
def train_round(msg, context):
    """Trains the round's epochs from the global model."""
    epochs = settings(context)["local-epochs"]
    before = (msg.content.config_records["config"]["server-round"] - 1) * epochs
    weights = msg.content.array_records["arrays"]["weights"].numpy()
    model, metrics = train(context, weights, epochs, before)
    content = RecordDict(
        {
            "arrays": ArrayRecord({"weights": Array(model.weights)}),
            "metrics": MetricRecord(
                {
                    "train_loss": metrics["loss"],
                    "train_accuracy": metrics["accuracy"],
                    "num-examples": metrics["samples"],
                }
            ),
        }
    )
    return Message(content, reply_to=msg)
