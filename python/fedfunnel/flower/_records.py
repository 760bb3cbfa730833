"""Flower's records as what codecs take: one vector of float32, and opaque bytes."""

import numpy as np
from flwr.app import Array, ArrayRecord

# The record that the two sides of this module put into messages, and into a node's state.
RECORD = "fedfunnel"
# The values of a model that no codec takes, such as counters, as they are.
REST = "fedfunnel.rest"
# The action of the query that sets a node up.
SETUP = "query.fedfunnel_setup"


def is_float(array):
    """Whether a codec takes its values."""
    return np.issubdtype(np.dtype(array.dtype), np.floating)


def shapes(record):
    """The arrays whose values a codec takes, by name, for their shapes."""
    return {name: array for name, array in record.items() if is_float(array)}


def flatten(record, like):
    """The values of a record as one vector, float32 [P], in the order of the record `like`."""
    if set(record) != set(like):
        odd = ", ".join(sorted(set(record) ^ set(like)))
        raise ValueError(f"arrays: {odd} is in one of two models alone; reply with the arrays that came")
    parts = []
    for name, due in like.items():
        if not is_float(due):
            continue
        values = record[name].numpy()
        if values.shape != tuple(due.shape):
            problem = f"{name} has shape {values.shape} where {tuple(due.shape)} is due"
            raise ValueError(f"arrays: {problem}; reply with the arrays that came")
        parts.append(np.asarray(values, np.float32).ravel())
    return parts[0].copy() if len(parts) == 1 else np.concatenate(parts)


def unflatten(vector, like, rest=None):
    """The record with these values, whose names, shapes and types are those of `like`."""
    arrays, at = {}, 0
    for name, due in like.items():
        if is_float(due):
            size = int(np.prod(due.shape, dtype=np.int64))
            values = vector[at : at + size].reshape(tuple(due.shape)).astype(due.dtype, copy=False)
            arrays[name], at = Array(values), at + size
        else:
            arrays[name] = (rest if rest is not None and name in rest else like)[name]
    return ArrayRecord(arrays)


def typed(record, like):
    """The record with the types of `like`: averages of whole numbers are whole numbers again."""
    arrays = {}
    for name, array in record.items():
        due = like.get(name)
        if due is not None and array.dtype != due.dtype and not is_float(due):
            array = Array(np.asarray(np.rint(array.numpy())).astype(due.dtype))
        arrays[name] = array
    return ArrayRecord(arrays)


def rest(record):
    """The arrays that no codec takes; None where there are none."""
    others = {name: array for name, array in record.items() if not is_float(array)}
    return ArrayRecord(others) if others else None


def opaque(**parts):
    """Bytes by name, which Flower carries as they are, in chunks."""
    return ArrayRecord(
        {
            name: Array(dtype="uint8", shape=(len(data),), stype="fedfunnel.bytes", data=data)
            for name, data in parts.items()
        }
    )


def only_arrays(content):
    """The name of the one record of arrays that a message has; None where it has none or several."""
    names = [name for name in content.array_records if name not in (RECORD, REST)]
    return names[0] if len(names) == 1 else None
