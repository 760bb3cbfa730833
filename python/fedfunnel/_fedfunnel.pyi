"""The extension: what `fedfunnel` is made of."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Whole = NDArray[np.integer[Any]]
Spec = str | PathLike[str] | Mapping[str, Any]
Progress = Callable[[str, int, int, str | None], object]

__version__: str
PREPASS_EPOCH: int

def devices() -> list[dict[str, Any]]: ...
def load_data(
    name: str = "mnist-sample", data_dir: str | PathLike[str] | None = None
) -> tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]: ...
def partition(
    images: Bytes,
    labels: Whole,
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
    spec: Spec,
    out: str | PathLike[str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    device: Device | None = None,
    data_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]], dict[str, Floats]]: ...

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
    weights: Floats
    def __new__(
        cls,
        spec: Spec,
        device: Device | None = None,
        *,
        seed: int = 0,
        statistics: Sequence[tuple[float, float]] | None = None,
    ) -> Classifier: ...
    def train(
        self,
        images: Bytes,
        labels: Whole,
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
    def evaluate(self, images: Bytes, labels: Whole) -> dict[str, Any]: ...
    def state_dict(self) -> dict[str, Floats]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
    @property
    def snapshots(self) -> Floats: ...
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
        model: Classifier | Spec | None = None,
        *,
        device: Device | None = None,
        seed: int = 0,
        collaborator: int = 0,
        autoencoder: Mapping[str, Any] | None = None,
        checksum: bool = False,
    ) -> Codec: ...
    def setup(self, snapshots: Floats, progress: Progress | None = None) -> bytes: ...
    def install(self, message: bytes, *, collaborator: int | None = None) -> int: ...
    def encode(
        self,
        weights: Floats,
        global_: Floats,
        *,
        round: int | None = None,
        classifier: Classifier | None = None,
        images: Bytes | None = None,
        labels: Whole | None = None,
        batch: int = 64,
    ) -> bytes: ...
    def decode(
        self,
        message: bytes,
        global_: Floats,
        *,
        round: int | None = None,
        collaborator: int | None = None,
    ) -> Floats | None: ...
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
