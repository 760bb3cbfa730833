"""Flower without its engines: nodes that are called in this process, as a Grid sees them."""

import traceback

from flwr.app import Context, Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

SERVER = 1


class LocalGrid:
    """Nodes that run one ClientApp, each with a state of its own that lasts as Flower's does.

    broken  called with each message before the app; what it raises is the node's failure
    sent    all messages that went down, and all replies that came up
    """

    def __init__(self, app, nodes=2, run_config=None, broken=None):
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SERVER, 1
        self.app = app
        self.broken = broken
        self.sent = []
        # Ids that are neither in order nor small, as Flower's.
        self.contexts = {
            7_000_000_001 - place: Context(
                run_id=1,
                node_id=7_000_000_001 - place,
                node_config={"partition-id": nodes - 1 - place, "num-partitions": nodes},
                state=RecordDict(),
                run_config=run_config or {},
            )
            for place in range(nodes)
        }

    def get_node_ids(self):
        return list(self.contexts)

    def send_and_receive(self, messages, *, timeout=None):
        return [self._answer(message) for message in messages]

    def _answer(self, message):
        context = self.contexts[message.metadata.dst_node_id]
        message.metadata._message_id = "x"
        try:
            if self.broken:
                self.broken(message)
            TaskIdentity.node_id = context.node_id
            reply = self.app(message, context)
        except Exception as error:  # As Flower's runtime does.
            traceback.print_exc()
            reply = Message(Error(code=0, reason=str(error)), reply_to=message)
        finally:
            TaskIdentity.node_id = SERVER
        self.sent.append((message, reply))
        return reply
