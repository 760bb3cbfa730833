"""The node's side: a mod that encodes what a ClientApp replies."""

import copy
import json

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

from .. import Codec
from ._records import RECORD, REST, SETUP, flatten, only_arrays, opaque, rest, shapes


class CodecMod:
    """A client mod that sends updates by the codec that a CodecStrategy asks for.

        app = CodecMod().client_app()         # in the place of ClientApp()

    Messages of other strategies go through as they are. For a codec that learns nothing, `ClientApp(mods=[CodecMod()])`
    is enough too; one that learns needs the query as well, which `client_app` and `attach` register.

    snapshots  called as snapshots(message, context) before a node's first round, where the codec learns; gives weights
               that one training logged, float32 [S, P]. Where it is left out, the app is trained on as many `train`
               messages as the strategy says, each from where the last one ended, on a copy of its context.
    device     a fedfunnel.Device; the usual one, where it is left out
    local      called as local(message, context) in each round, where the codec has `tune`; gives the keyword arguments
               classifier, images, labels and batch of Codec.encode, as a dict

    What the codec keeps lies in `context.state`, since each message of Flower is a process of its own.
    """

    def __init__(self, snapshots=None, *, device=None, local=None):
        self.snapshots = snapshots
        self.device = device
        self.local = local

    def client_app(self, mods=()):
        """A ClientApp with this mod, outside of others, that answers the query of a setup."""
        return self.attach(ClientApp(mods=[self, *mods]))

    def attach(self, app):
        """Lets an app that has this mod answer the query of a setup; gives the app."""
        action = SETUP.partition(".")[2]
        app.query(action)(lambda msg, context: self._set_up(msg, context, app))
        return app

    def __call__(self, msg, context, call_next):
        is_told = msg.has_content() and RECORD in msg.content.config_records
        if not is_told or msg.metadata.message_type == SETUP:
            return call_next(msg, context)
        return self._train(msg, msg.content.config_records[RECORD], context, call_next)

    def _codec(self, told, sent, context):
        """The codec as this node left it, or a new one."""
        state = context.state.array_records.get(RECORD)
        if state is not None:
            return Codec.from_bytes(state["codec"].data, device=self.device)
        autoencoder = json.loads(told["autoencoder"]) if "autoencoder" in told else None
        return Codec(
            told["codec"],
            model=shapes(sent),
            device=self.device,
            seed=told["seed"],
            collaborator=told["collaborator"],
            autoencoder=autoencoder,
        )

    def _train(self, msg, told, context, call_next):
        sent = msg.content.array_records[told["record"]]
        start = flatten(sent, sent)
        codec = self._codec(told, sent, context)
        local = self.local(msg, context) if self.local else {}
        reply = call_next(msg, context)
        name = None if reply.has_error() else only_arrays(reply.content)
        if name is None:
            return reply
        arrays = reply.content.array_records[name]
        message = codec.encode(flatten(arrays, sent), start, round=told["round"], **local)
        del reply.content[name]
        reply.content[RECORD] = ConfigRecord({"message": message, "record": name})
        others = rest(arrays)
        if others is not None:
            reply.content[REST] = others
        context.state[RECORD] = opaque(codec=codec.to_bytes())
        return reply

    def _set_up(self, msg, context, app):
        told = msg.content.config_records[RECORD]
        sent = msg.content.array_records[told["record"]]
        context.state.pop(RECORD, None)
        codec = self._codec(told, sent, context)
        if self.snapshots is None:
            logged = _log(msg, told, copy.deepcopy(context), app)
        else:
            logged = np.ascontiguousarray(self.snapshots(msg, context), np.float32)
        setup = codec.setup(logged)
        context.state[RECORD] = opaque(codec=codec.to_bytes())
        return Message(RecordDict({RECORD: opaque(setup=setup)}), reply_to=msg)


def _log(msg, told, context, app):
    """Trains the app again and again, each time from where it ended, and logs its weights."""
    sent = msg.content.array_records[told["record"]]
    arrays, rows = sent, []
    for _ in range(told["snapshots"]):
        content = {name: record for name, record in msg.content.items() if name != RECORD}
        content[told["record"]] = arrays
        train = Message(RecordDict(content), msg.metadata.dst_node_id, told["train"])
        reply = app(train, context)
        if reply.has_error():
            raise RuntimeError(f"the app could not train for the codec's setup: {reply.error.reason}")
        name = only_arrays(reply.content)
        if name is None:
            raise ValueError("the app's reply has no record of arrays, or several; reply with one")
        arrays = reply.content.array_records[name]
        rows.append(flatten(arrays, sent))
    return np.stack(rows)
