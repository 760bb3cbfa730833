"""The extension: what `fedfunnel` is made of."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
_Bytes = NDArray[np.uint8]
_Whole = NDArray[np.integer[Any]]
_Spec = str | PathLike[str] | Mapping[str, Any]
_Progress = Callable[[str, int, int, str | None], object]

__all__ = [
    "PREPASS_EPOCH",
    "Classifier",
    "Codec",
    "Device",
    "__version__",
    "devices",
    "load_data",
    "partition",
    "savings",
    "simulate",
]
__version__: str
PREPASS_EPOCH: int

def devices() -> list[dict[str, Any]]: ...
def load_data(
    name: str = "mnist-sample", data_dir: str | PathLike[str] | None = None
) -> tuple[tuple[_Bytes, _Bytes], tuple[_Bytes, _Bytes]]: ...
def partition(
    images: _Bytes,
    labels: _Whole,
    collaborators: int,
    *,
    seed: int = 0,
    how: Mapping[str, Any] | None = None,
) -> list[NDArray[np.int64]]: ...
def savings(
    parameters: int,
    latent: int,
    rounds: int,
    collaborators: int,
    *,
    decoders: str | int | None = None,
    snapshots: int | None = None,
    paper: bool = False,
    decoder_parameters: int | None = None,
    target_ratio: float | None = None,
) -> dict[str, Any]: ...
def simulate(
    spec: _Spec,
    out: str | PathLike[str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: _Progress | None = None,
    device: Device | None = None,
    data_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]], dict[str, _Floats]]: ...

@final
class Device:
    def __new__(cls, name: str | int | None = None) -> Device: ...
    @property
    def name(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def memory(self) -> int: ...

@final
class Classifier:
    weights: _Floats
    def __new__(
        cls,
        spec: _Spec,
        device: Device | None = None,
        *,
        seed: int = 0,
        statistics: Sequence[tuple[float, float]] | None = None,
    ) -> Classifier: ...
    def train(
        self,
        images: _Bytes,
        labels: _Whole,
        epochs: int = 1,
        *,
        batch: int = 64,
        lr: float = 1e-3,
        optimizer: str = "adam",
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        seed: int = 0,
        collaborator: int | None = None,
        first_epoch: int = 0,
        shuffle: bool = True,
        flip: bool = False,
        crop: int = 0,
        snapshots: str | int | None = None,
        progress: Callable[[dict[str, Any]], object] | None = None,
    ) -> list[dict[str, Any]]: ...
    def evaluate(self, images: _Bytes, labels: _Whole) -> dict[str, Any]: ...
    def state_dict(self) -> dict[str, _Floats]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
    @property
    def snapshots(self) -> _Floats: ...
    @property
    def parameters(self) -> int: ...
    @property
    def name(self) -> str: ...

@final
class Codec:
    def __new__(
        cls,
        text: str,
        parameters: int | None = None,
        model: Classifier | _Spec | None = None,
        *,
        device: Device | None = None,
        seed: int = 0,
        collaborator: int = 0,
        autoencoder: Mapping[str, Any] | None = None,
        checksum: bool = False,
    ) -> Codec: ...
    def setup(self, snapshots: _Floats, progress: _Progress | None = None) -> bytes: ...
    def install(self, message: bytes, *, collaborator: int | None = None) -> int: ...
    def encode(
        self,
        weights: _Floats,
        global_: _Floats,
        *,
        round: int | None = None,
        classifier: Classifier | None = None,
        images: _Bytes | None = None,
        labels: _Whole | None = None,
        batch: int = 64,
    ) -> bytes: ...
    def decode(
        self,
        message: bytes,
        global_: _Floats,
        *,
        round: int | None = None,
        collaborator: int | None = None,
    ) -> _Floats | None: ...
    def to_bytes(self) -> bytes: ...
    @classmethod
    def from_bytes(cls, state: bytes, device: Device | None = None) -> Codec: ...
    @property
    def label(self) -> str: ...
    @property
    def learns(self) -> bool: ...
    @property
    def parameters(self) -> int: ...
    @property
    def collaborator(self) -> int: ...
    @property
    def last_round(self) -> int: ...
