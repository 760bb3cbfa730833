"""Safetensors files by hand, so that the command line's files are read and written by nothing of its own."""

import json
import struct

import numpy as np


def write(path, tensors):
    """Writes float32 arrays by name."""
    header, at = {}, 0
    for name, tensor in tensors.items():
        end = at + 4 * tensor.size
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    values = b"".join(tensor.astype("<f4").tobytes() for tensor in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)


def read(path):
    """Reads float32 arrays by name."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, values = json.loads(data[8 : 8 + length]), data[8 + length :]
    return {
        name: np.frombuffer(values[slice(*about["data_offsets"])], "<f4").reshape(about["shape"])
        for name, about in header.items()
        if name != "__metadata__"
    }
