"""Federated learning with learned update compression.

Classifier   trains and tests by compute shaders, on any GPU or none
Codec        makes messages of weights, and weights of messages
simulate     runs whole federations; savings tells what compression saves, by formula
flower       (a module of its own) puts a codec on the wire of Flower

Weights are one float32 vector [P] in the order of PyTorch's `state_dict`, images uint8 [N, C, H, W].
"""

import os as _os
import tempfile as _tempfile

# What the Vulkan loader and Mesa would write to stderr on a machine without a desktop. It has to be said before they are
# loaded; what is set already stays.
for _name, _value in (
    ("XDG_RUNTIME_DIR", _tempfile.gettempdir()),
    ("VK_LOADER_DEBUG", "none"),
    ("MESA_VK_IGNORE_CONFORMANCE_WARNING", "true"),
    ("MESA_LOG_LEVEL", "error"),
    ("EGL_LOG_LEVEL", "fatal"),
):
    _os.environ.setdefault(_name, _value)

from ._fedfunnel import (  # noqa: E402
    PREPASS_EPOCH,
    Classifier,
    Codec,
    Device,
    __version__,
    devices,
    load_data,
    partition,
    savings,
)
from ._simulation import Result, simulate  # noqa: E402

__all__ = [
    "PREPASS_EPOCH",
    "Classifier",
    "Codec",
    "Device",
    "Result",
    "__version__",
    "devices",
    "load_data",
    "partition",
    "savings",
    "simulate",
]
