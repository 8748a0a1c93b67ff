"""Runs: places that advance evenly, which the index tables of grids, ladders and networks consist of.

What a pass has to know of a column of a large family (its least and greatest place, whether it writes a
place twice, where its entries stand in the Jacobian) follows from its runs, so that the time it takes hardly
grows with the number of copies. Arrays stay arrays; their runs are found once and remembered beside them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from symnum.codegen.arrays import Remembered

__all__ = ["Runs", "are_distinct", "counted", "expanded", "runs_of"]

Array: TypeAlias = npt.NDArray[Any]

_SHORTEST = 8  # copies of an average run: below, runs cost more than they save
_SAMPLES = 64
_LARGEST = 1 << 30  # places relative to the number of the copy are stored as int32


class Runs(NamedTuple):
    """Copies ``start[r]`` ... ``start[r + 1] - 1`` are at ``first[r]``, ``first[r] + step``, ..."""

    start: Array
    first: Array
    step: int

    @property
    def last(self) -> Array:
        """The place of the last copy of each run."""
        last: Array = self.first + self.step * (np.diff(self.start) - 1)
        return last


def runs_of(index: Array) -> Runs | None:
    """The runs of places, (count,) integers; None where there is no usual step or runs are short.

    Equal arrays have equal runs. The array must not change afterwards.
    """
    return _remembered(index)


def _found(index: Array) -> Runs | None:
    count = len(index)
    if count < 2 * _SHORTEST:
        return None
    sampled = np.linspace(0, count - 2, _SAMPLES).astype(np.int64)
    steps = index[sampled + 1].astype(np.int64) - index[sampled]
    step = int(Counter(steps.tolist()).most_common(1)[0][0])
    broken = np.flatnonzero(np.diff(index) != step) + 1
    if len(broken) * _SHORTEST > count:
        return None
    start = np.concatenate([[0], broken, [count]])
    first = index[start[:-1]].astype(np.int64)
    offset = first - step * start[:-1]
    return Runs(start, first, step) if int(np.abs(offset).max()) < _LARGEST else None


_remembered = Remembered(_found)


def expanded(runs: Runs) -> npt.NDArray[np.int32]:
    """The places, (count,), of runs whose step is not zero; runs that go on where one ends are joined."""
    new = np.ones(len(runs.first), bool)
    new[1:] = runs.first[1:] != runs.last[:-1] + runs.step
    runs = Runs(np.append(runs.start[:-1][new], runs.start[-1]), runs.first[new], runs.step)
    count = int(runs.start[-1])
    offset = (runs.first - runs.step * runs.start[:-1]).astype(np.int32)
    places = np.repeat(offset, np.diff(runs.start))
    places += np.arange(0, runs.step * count, runs.step, dtype=np.int32)
    if (len(runs.first) - 1) * _SHORTEST <= count:
        _remembered.remember(places, runs)
    return places


def are_distinct(indices: list[Array]) -> bool:
    """Whether runs show that no place stands twice in all of these; False: that is not known.

    Runs of one step are compared by what the step leaves as a remainder, and within it as intervals.
    """
    found = [runs_of(index) for index in indices]
    steps = {runs.step for runs in found if runs is not None}
    if len(steps) != 1 or (step := steps.pop()) < 1:
        return False
    single = [index for index, runs in zip(indices, found, strict=True) if runs is None]
    if sum(map(len, single)) * _SHORTEST > sum(map(len, indices)):
        return False
    first = np.concatenate([*(runs.first for runs in found if runs is not None), *single]).astype(np.int64)
    last = np.concatenate([*(runs.last for runs in found if runs is not None), *single]).astype(np.int64)
    rest = first % step
    order = np.lexsort((first, rest))
    first, last, rest = first[order], last[order], rest[order]
    return bool(((rest[1:] != rest[:-1]) | (first[1:] > last[:-1])).all())


def counted(sizes: Array) -> Array:
    """0, 1, ..., sizes[0] - 1, 0, 1, ..., sizes[1] - 1, and so on."""
    ends = np.cumsum(sizes)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes))
