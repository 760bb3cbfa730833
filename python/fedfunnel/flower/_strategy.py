"""The server's side: a strategy that decodes what nodes reply, around one that aggregates."""

import json
from logging import INFO, WARNING

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore import log
from flwr.serverapp.strategy import Strategy

from .. import Codec
from ._ledger import PROTOCOL_BYTES, Ledger, RoundBytes, count
from ._records import RECORD, REST, SETUP, flatten, only_arrays, shapes, typed, unflatten


class CodecStrategy(Strategy):
    """Any strategy, with updates that come by a codec. The nodes' apps have a CodecMod.

    CodecStrategy(FedAvg(), codec="delta+feedback+topk(0.01)")

    strategy     what chooses nodes and aggregates; it sees arrays as ever
    codec        stages in a line, as Codec takes them
    seed         of stages that draw numbers
    autoencoder  the table `autoencoder` of a spec, as a dict
    snapshots    weights that a node logs for a codec that learns, where its mod does not log by itself: so many times
                 its app trains before its first round
    timeout      seconds that setups are waited for
    device       a fedfunnel.Device; the usual one, where it is left out

    A node that fails to be set up is left out of the round and asked again in the next one that it is chosen for; an
    update that cannot be decoded is left out, and the round goes on with the others. `ledger` has the bytes of each
    round, and `summary_of_bytes` a table of them.
    """

    def __init__(
        self, strategy, codec, *, seed=0, autoencoder=None, snapshots=8, timeout=3600.0, device=None
    ):
        self.strategy = strategy
        self.codec = codec
        self.seed = seed
        self.autoencoder = autoencoder
        self.snapshots = snapshots
        self.timeout = timeout
        self.device = device
        self.ledger = Ledger()
        # The codec of the aggregator, with what it keeps of all nodes.
        self._codec = None
        # The number of each node, by which the codec knows it.
        self._numbers = {}
        # The nodes whose updates can be decoded.
        self._set_up = set()
        # The model's arrays as they were at first, for their types.
        self._like = None
        # The arrays that each node was sent in this round.
        self._sent = {}

    def summary(self):
        log(INFO, "\t├──> Codec: %s", self.codec)
        self.strategy.summary()

    def summary_of_bytes(self):
        """The ledger as a table of text."""
        return str(self.ledger)

    def configure_train(self, server_round, arrays, config, grid):
        messages = list(self.strategy.configure_train(server_round, arrays, config, grid))
        self.ledger.append(RoundBytes(server_round))
        self._sent = {}
        for message in sorted(messages, key=lambda message: message.metadata.dst_node_id):
            self._numbers.setdefault(message.metadata.dst_node_id, len(self._numbers))
        if not messages:
            return messages
        name = only_arrays(messages[0].content)
        if name is None:
            raise ValueError("the strategy sends no record of arrays, or several; CodecStrategy needs one")
        if self._codec is None:
            self._like = messages[0].content.array_records[name]
            self._codec = Codec(
                self.codec,
                model=shapes(self._like),
                device=self.device,
                seed=self.seed,
                autoencoder=self.autoencoder,
            )
        if self._codec.learns:
            self._set_nodes_up(messages, name, grid)
            messages = [one for one in messages if one.metadata.dst_node_id in self._set_up]
        for message in messages:
            told = self._told(message, name)
            told["round"] = server_round
            self._sent[message.metadata.dst_node_id] = message.content.array_records[name]
            message.content = RecordDict({**message.content, RECORD: told})
        return messages

    def aggregate_train(self, server_round, replies):
        # In the same order whenever replies arrive, so that sums are the same to the bit.
        node = lambda reply: self._numbers.get(reply.metadata.src_node_id, -1)  # noqa: E731
        taken = [reply for reply in sorted(replies, key=node) if self._take(server_round, reply)]
        arrays, metrics = self.strategy.aggregate_train(server_round, taken)
        if arrays is not None and self._like is not None:
            arrays = typed(arrays, self._like)
        return arrays, metrics

    def configure_evaluate(self, server_round, arrays, config, grid):
        return self.strategy.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(self, server_round, replies):
        return self.strategy.aggregate_evaluate(server_round, replies)

    def _told(self, message, name):
        """What a node is told of the codec."""
        told = {
            "codec": self.codec,
            "seed": self.seed,
            "collaborator": self._numbers[message.metadata.dst_node_id],
            "record": name,
        }
        if self.autoencoder is not None:
            told["autoencoder"] = json.dumps(self.autoencoder)
        return ConfigRecord(told)

    def _set_nodes_up(self, messages, name, grid):
        """Asks the nodes that are new for what decodes their updates."""
        queries = []
        for message in messages:
            node = message.metadata.dst_node_id
            if node in self._set_up:
                continue
            told = self._told(message, name)
            told["snapshots"] = self.snapshots
            told["train"] = message.metadata.message_type
            content = RecordDict({**message.content, RECORD: told})
            queries.append(Message(content, node, SETUP))
        if not queries:
            return
        log(INFO, "configure_train: %s nodes log weights and learn the codec", len(queries))
        for reply in grid.send_and_receive(queries, timeout=self.timeout):
            node = reply.metadata.src_node_id
            try:
                if reply.has_error():
                    raise ValueError(reply.error.reason)
                setup = reply.content.array_records[RECORD]["setup"].data
                self._codec.install(setup, collaborator=self._numbers[node])
            except (KeyError, ValueError) as error:
                log(WARNING, "node %s could not be set up, and is left out of this round: %s", node, error)
                continue
            self._set_up.add(node)
            self.ledger[-1].setups += count(reply.content)
            self.ledger[-1].protocol += PROTOCOL_BYTES

    def _take(self, server_round, reply):
        """Puts arrays in the place of a message. Whether the reply is for the strategy."""
        if reply.has_error() or RECORD not in reply.content.config_records:
            return True
        node = reply.metadata.src_node_id
        told, bytes_ = reply.content.config_records[RECORD], self.ledger[-1]
        records = count(reply.content)
        try:
            sent = self._sent[node]
            weights = self._codec.decode(
                told["message"],
                flatten(sent, sent),
                round=server_round,
                collaborator=self._numbers[node],
            )
        except (KeyError, ValueError) as error:
            log(WARNING, "the update of node %s cannot be decoded, and is left out: %s", node, error)
            return False
        bytes_.updates += 1
        bytes_.payload += len(told["message"])
        bytes_.records += records
        bytes_.protocol += PROTOCOL_BYTES
        rest = reply.content.array_records.get(REST)
        del reply.content[RECORD]
        if rest is not None:
            del reply.content[REST]
        raw = unflatten(weights if weights is not None else flatten(sent, sent), sent, rest)
        bytes_.raw += count(RecordDict({**reply.content, told["record"]: raw}))
        if weights is None:
            return False
        reply.content[told["record"]] = raw
        return True
