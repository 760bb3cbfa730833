"""What both sides have: the settings, the model, and a node's share of the images."""

import fedfunnel

MODEL = "mnist-mlp"

DEFAULTS = {
    "codec": "prior+pca(10)+f16",
    "num-server-rounds": 2,
    "local-epochs": 1,
    "batch": 32,
    "lr": 1e-3,
    "seed": 0,
    "images": 6000,
    "prepass-epochs": 12,
    "snapshot-every": 24,
    "out": "",
}


def settings(context):
    """The run's settings; what a simulation from Python does not say is as it is here."""
    return {**DEFAULTS, **context.run_config}


def share(context):
    """The node's number, and its images and labels: those of the collaborator of this number in a simulation."""
    of = settings(context)
    (images, labels), _ = fedfunnel.load_data("mnist-sample")
    images, labels = images[: of["images"]], labels[: of["images"]]
    who, count = context.node_config["partition-id"], context.node_config["num-partitions"]
    places = fedfunnel.partition(images, labels, count, seed=of["seed"])[who]
    return who, images[places], labels[places]


def train(context, weights, epochs, first_epoch, snapshots=None):
    """A model that was trained from these weights on the node's images, and the metrics of its last epoch."""
    of = settings(context)
    who, images, labels = share(context)
    model = fedfunnel.Classifier(MODEL)
    model.weights = weights
    metrics = model.train(
        images,
        labels,
        epochs=epochs,
        batch=of["batch"],
        lr=of["lr"],
        seed=of["seed"],
        collaborator=who,
        first_epoch=first_epoch,
        snapshots=snapshots,
    )
    return model, metrics[-1]
