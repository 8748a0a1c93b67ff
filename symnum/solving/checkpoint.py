"""Where a run stands, to go on from there: in memory and as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem
from symnum.record import record

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]

_VERSION = 1


@record
class Checkpoint:
    """The end of a run: its time, the unknowns (n,) and parameters as events left them, and its next step."""

    t: float
    u: FloatArray
    p: FloatArray
    step: float


def _names(flat: FlatSystem) -> list[list[str]]:
    return [list(flat.state_names), [info.name for info in flat.parameters]]


def write_checkpoint(path: str | Path, flat: FlatSystem, end: Checkpoint) -> Path:
    """A NumPy archive of the numbers and the names they belong to; whole or not there at all."""
    import json

    target = Path(path)
    beside = target.with_name(target.name + ".part")
    head = json.dumps({"version": _VERSION, "system": flat.name, "names": _names(flat)})
    try:
        with beside.open("wb") as file:
            np.savez(file, head=np.array(head), t=end.t, u=end.u, p=end.p, step=end.step)
        beside.replace(target)
    except OSError:  # the disk is full: what stood there before stays
        beside.unlink(missing_ok=True)
        raise
    return target


def read_checkpoint(path: str | Path, flat: FlatSystem) -> Checkpoint:
    """ModelError if the file is no checkpoint, or one of another system."""
    import json

    try:
        with np.load(Path(path), allow_pickle=False) as archive:
            head = json.loads(str(archive["head"]))
            end = Checkpoint(float(archive["t"]), archive["u"], archive["p"], float(archive["step"]))
    except (ValueError, KeyError, EOFError) as error:
        raise ModelError(f"{path} is no checkpoint: {error}") from error
    if head.get("version") != _VERSION:
        raise ModelError(f"{path} was written by another version of symnum")
    if head["names"] != _names(flat):
        raise ModelError(f"{path} is a checkpoint of {head['system']}: other unknowns or parameters")
    return end
