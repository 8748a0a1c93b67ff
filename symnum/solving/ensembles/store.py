"""Results of an ensemble on disk: written block by block while they come, found again by the next solve.

A zarr folder (format 3) with the arrays ``y`` (member, state, t), ``status``, ``steps``, ``rejected``,
``events``, ``alone`` (member), ``parameters`` (member, parameter) and the names of their axes, which xarray
opens as it is. The members of a block are written to files of their own, at last a digest of them: a block
without it, or with files that are missing, cut off or damaged, was not written and is computed again.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.cache import digest
from symnum.errors import ModelError
from symnum.lowering.save import pack
from symnum.solving.ensembles.ensemble import Ensemble
from symnum.solving.ensembles.members import (
    NOT_RUN,
    STATUSES,
    Inputs,
    MemberRuns,
    Outcome,
    Stopped,
    number_of,
)
from symnum.solving.ensembles.solution import EnsembleSolution, statistics

__all__ = ["Store"]

_VERSION = 1
_BLOCKS = 64  # into so many the members are divided, ...
_BYTES = 1 << 22  # ... and further where a block would be larger than this
_DIGEST_BYTES = 20
_COUNTS = ("steps", "rejected", "events", "alone")


class Store:
    """Results of all members in a folder; new, or of the same ensemble with the same options.

    seeded: False where chance has no seed: then the random streams are those of the folder.
    """

    def __init__(
        self, path: str | Path, ensemble: Ensemble, runs: MemberRuns, inputs: Inputs, seeded: bool
    ) -> None:
        self.path = Path(path)
        self.ensemble, self.runs, self.inputs = ensemble, runs, inputs
        self.whole = Outcome.empty(len(inputs), 0, ensemble.problem.flat.n)  # all but y
        described = _description(ensemble, runs, inputs, seeded)
        with _quiet():
            if not self.path.is_dir() or not any(self.path.iterdir()):
                self._create(described)
            self.group = _opened(self.path)
            found = dict(self.group.attrs)["symnum"]
            self.unit = int(found["block"])
            _compare(self.path, found, described)
            self.arrays = {name: self.group[name] for name in ("y", "status", "written", *_COUNTS)}
            meanings = dict(self.arrays["status"].attrs)["flag_meanings"].split()
            self.numbers = np.array([number_of(name) for name in meanings], np.int8)  # as of today
            if inputs.streams is not None:
                self.inputs = Inputs(inputs.starts, inputs.parameters, self.group["streams"][:])

    def _create(self, described: dict[str, str]) -> None:
        """All arrays, empty; under another name first, so that the folder is whole or not there."""
        zarr = _zarr()
        inputs, flat, times = self.inputs, self.ensemble.problem.flat, self.runs.times
        members, n, m = len(inputs), flat.n, len(times)
        block = max(min(-(-members // _BLOCKS), _BYTES // (8 * n * max(m, 1))), 1)
        block = min(-(-block // self.runs.width) * self.runs.width, members)
        beside = self.path.with_name(f"{self.path.name}.part-{os.getpid()}")
        try:
            group = zarr.open_group(beside, mode="w", zarr_format=3)
            group.create_array(
                "y", shape=(members, n, m), chunks=(block, n, max(m, 1)), dtype="f8", fill_value=np.nan,
                dimension_names=("member", "state", "t"),
            )  # fmt: skip
            meanings = {"flag_values": list(range(len(STATUSES))), "flag_meanings": " ".join(STATUSES)}
            for name in ("status", *_COUNTS):
                group.create_array(
                    name, shape=(members,), chunks=(block,), dtype="i8", fill_value=0,
                    dimension_names=("member",), attributes=meanings if name == "status" else {},
                )  # fmt: skip
            group.create_array(
                "written", shape=(-(-members // block), _DIGEST_BYTES), chunks=(1, _DIGEST_BYTES), dtype="u1",
                fill_value=0, dimension_names=("block", "digest"),
            )  # fmt: skip
            names = {"state": flat.state_names, "parameter": [info.name for info in flat.parameters]}
            data: dict[str, tuple[Any, tuple[str, ...]]] = {
                "t": (times, ("t",)), "parameters": (inputs.parameters, ("member", "parameter")),
                **{axis: (np.array(texts, object), (axis,)) for axis, texts in names.items()},
            }  # fmt: skip
            if inputs.streams is not None:
                data["streams"] = inputs.streams, ("member", "word")
            for name, (values, axes) in data.items():
                if values.size:
                    kind = str if values.dtype == object else values.dtype
                    array = group.create_array(
                        name, shape=values.shape, chunks=values.shape, dtype=kind, dimension_names=axes
                    )
                    array[...] = values
            group.attrs["symnum"] = {"version": _VERSION, "block": block, "described": described}
            if self.path.is_dir():
                self.path.rmdir()  # it is empty
            beside.rename(self.path)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise ModelError(f"store={str(self.path)!r} cannot be made: {error.strerror or error}") from error

    # ---- what is there ----------------------------------------------------------------------------
    def waiting(self) -> list[tuple[int, int]]:
        """Ranges of members that have to be run; what is there is read, and its digest compared."""
        found: list[tuple[int, int]] = []
        for block, (first, last) in enumerate(self._blocks(0, len(self.inputs))):
            out = self._read(block, first, last)
            if out is not None:
                self._count(first, out)
            elif found and found[-1][1] == first:
                found[-1] = found[-1][0], last
            else:
                found.append((first, last))
        return found

    def _blocks(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        return ((k, min(k + self.unit, last)) for k in range(first, last, self.unit))

    def _read(self, block: int, first: int, last: int) -> Outcome | None:
        """The results of a block, or None where they are not all there and whole."""
        with _quiet():
            try:
                written = self.arrays["written"][block].tobytes()
                if not any(written):
                    return None
                y = self.arrays["y"][first:last]
                counts = [self.arrays[name][first:last] for name in ("status", *_COUNTS)]
            except (OSError, ValueError, RuntimeError):  # of the codecs: a file is cut off
                return None
        if written != _digest(y, *counts):
            return None
        status, steps, rejected, events, alone = counts
        numbers = self.numbers[status]
        return Outcome(y[:, :0], numbers, steps, rejected, events, alone.astype(bool))

    def _count(self, first: int, out: Outcome) -> None:
        """Remember all but y."""
        part = self.whole.part(first, first + len(out.status))
        part.fill((part.y, *out.arrays()[1:]))

    # ---- what comes -------------------------------------------------------------------------------
    def room(self, first: int, last: int) -> Outcome:
        return Outcome.empty(last - first, len(self.runs.times), self.ensemble.problem.flat.n)

    def keep(self, first: int, out: Outcome) -> None:
        """Raises Stopped where the disk is full."""
        for begin, end in self._blocks(first, first + len(out.status)):
            part = out.part(begin - first, end - first)
            try:
                self._write(begin, end, part)
            except OSError as error:
                present = int(np.count_nonzero(self.whole.status != NOT_RUN))
                raise Stopped(
                    f"{self.ensemble.problem.flat.name}: {self.path} cannot be written: "
                    f"{error.strerror or error}. {present} of {len(self.inputs)} members are in it; make "
                    "room and solve again with the same store=, which runs the others."
                ) from error
            self._count(begin, part)

    def _write(self, first: int, last: int, out: Outcome) -> None:
        y = np.ascontiguousarray(out.y.transpose(0, 2, 1))
        status, *counts = (getattr(out, name).astype(np.int64) for name in ("status", *_COUNTS))
        with _quiet():
            self.arrays["y"][first:last] = y
            for name, values in zip(("status", *_COUNTS), (status, *counts), strict=True):
                self.arrays[name][first:last] = values
            written = np.frombuffer(_digest(y, status, *counts), np.uint8)
            self.arrays["written"][first // self.unit] = written

    def solution(self, stats: dict[str, Any]) -> EnsembleSolution:
        """With ``y`` as it is in the folder."""
        return EnsembleSolution(
            self.ensemble.problem.flat, self.runs.times, self.arrays["y"], self.inputs.parameters.copy(),
            self.whole.names(), statistics(self.runs, self.whole, stats), self.ensemble.parameters(),
        )  # fmt: skip


def _digest(*arrays: NDArray[Any]) -> bytes:
    state = blake2b(digest_size=_DIGEST_BYTES)
    for array in arrays:
        state.update(np.ascontiguousarray(array).tobytes())
    return state.digest()


def _description(ensemble: Ensemble, runs: MemberRuns, inputs: Inputs, seeded: bool) -> dict[str, str]:
    """Everything that the results depend on, as texts and digests."""
    problem = ensemble.problem
    simplify = None if problem.stochastic else problem.compiled.simplify
    kind: Any = ""
    if problem.stochastic is not None:
        kind = problem.stochastic.reading
    elif problem.hybrid is not None:
        kind = f"hybrid {problem.hybrid.fast} {problem.hybrid.molecules}"
    every: dict[str, Any] = {
        "equations": digest(pack(problem.flat, {}, simplify)), "kind": kind, "span": problem.span,
        "events": [repr(event) for event in problem.events], "saveat": runs.times, "starts": inputs.starts,
        "parameters": inputs.parameters, "seed": inputs.streams if seeded else None, **runs.options(),
    }  # fmt: skip
    return {name: _text(value) for name, value in every.items()}


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.shape} {digest(np.ascontiguousarray(value).tobytes())}"
    return str(value)


def _compare(path: Path, found: dict[str, Any], described: dict[str, str]) -> None:
    there = found["described"]
    given = described.keys() | there.keys()
    if described.get("seed") == "None":  # the streams of the folder are taken
        given.discard("seed")
    other = sorted(name for name in given if there.get(name) != described.get(name))
    if other:
        raise ModelError(
            f"store={str(path)!r} holds another ensemble, with other {', '.join(other)}; give the same, or "
            "another folder"
        )


def _opened(path: Path) -> Any:
    try:
        group = _zarr().open_group(path, mode="r+")
        found = dict(group.attrs).get("symnum")
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"store={str(path)!r} is no store of an ensemble: {error}") from error
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise ModelError(
            f"store={str(path)!r} is no store of an ensemble, or one of another version of symnum"
        )
    return group


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ModelError('store= needs zarr: pip install "symnum-modeling[scale]"') from error
    return zarr


@contextmanager
def _quiet() -> Iterator[None]:
    """Without zarr's warning that texts have no place in the third version of its format yet."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="zarr")
        yield
