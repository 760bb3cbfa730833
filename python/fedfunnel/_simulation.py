"""Whole simulations, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from ._fedfunnel import Device
from ._fedfunnel import simulate as _simulate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Result(dict[str, Any]):
    """What a simulation came to: its `summary.json` as a dict.

    rounds   the rounds of each federation, a list of dicts by the label of its codec
    weights  the last global model of each, float32 [P] by label; empty for a run that was finished before
    """

    def __init__(
        self,
        summary: dict[str, Any],
        rounds: dict[str, list[dict[str, Any]]],
        weights: dict[str, NDArray[np.float32]],
    ) -> None:
        super().__init__(summary)
        self.rounds = rounds
        self.weights = weights

    def frame(self) -> Any:
        """All rounds as a pandas.DataFrame: a line for each round of each codec."""
        import pandas

        lines = [{"codec": label, **line} for label, lines in self.rounds.items() for line in lines]
        return pandas.DataFrame(lines).drop(columns=["local_epochs", "run"], errors="ignore")

    def runs_frame(self) -> Any:
        """The summaries of the codecs as a pandas.DataFrame: a line for each."""
        import pandas

        return pandas.DataFrame.from_dict(self["runs"], orient="index").rename_axis("codec")


def simulate(
    spec: str | PathLike[str] | Mapping[str, Any],
    out: str | PathLike[str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[str, int, int, str | None], object] | None = None,
    device: Device | None = None,
    data_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Result:
    """Runs a simulation, as `fedfunnel simulate` does.

    spec      a built-in one ("demo", "mnist", ...), the path of a .toml, or the same as a dict
    out       folder for the report, the models and the state of the run; none is left where it is left out
    settings  other values for some fields: {"rounds": 3, "optimizer.lr": 3e-4}
    progress  called as progress(what, done, total, note), at most ten times a second and at each note
    resume    go on with the run that `out` holds; overwrite replaces it

    Ctrl-C ends it; with `out`, what was saved until then can be gone on with.
    """
    return Result(
        *_simulate(
            spec,
            out,
            settings=settings,
            progress=progress,
            device=device,
            data_dir=data_dir,
            resume=resume,
            overwrite=overwrite,
        )
    )
