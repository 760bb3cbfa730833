"""A codec on the wire of Flower: two lines of an app.

    app = CodecMod().client_app()                                    # in the place of ClientApp()
    strategy = CodecStrategy(FedAvg(), codec="prior+pca(10)+f16")    # in the place of FedAvg()

Any ClientApp will do, PyTorch's included: the mod puts a message of the codec in the place of the arrays of its reply,
and the strategy puts arrays in the place of the message before the strategy that it wraps aggregates them. A codec that
learns is set up before a node's first round: the strategy asks by a `query` message, the mod trains the app a few times
and logs its weights, and what decodes is shipped back once.
"""

from ._fedavg import FedAvg
from ._ledger import PROTOCOL_BYTES, Ledger, RoundBytes
from ._mod import CodecMod
from ._strategy import CodecStrategy

__all__ = ["PROTOCOL_BYTES", "CodecMod", "CodecStrategy", "FedAvg", "Ledger", "RoundBytes"]
