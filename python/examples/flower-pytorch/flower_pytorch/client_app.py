"""The ClientApp: PyTorch's training, behind fedfunnel's mod."""

from fedfunnel.flower import CodecMod
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict

from flower_pytorch.task import network, share, train

app = CodecMod().client_app()


@app.train()
def train_round(msg, context):
    """Trains an epoch from the global model."""
    model = network()
    model.load_state_dict(msg.content.array_records["arrays"].to_torch_state_dict())
    images, labels = share(context)
    of = context.run_config
    loss = train(model, images, labels, of.get("lr", 0.05), of.get("batch", 32))
    content = RecordDict(
        {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"train_loss": loss, "num-examples": len(labels)}),
        }
    )
    return Message(content, reply_to=msg)
