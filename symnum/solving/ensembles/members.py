"""What the members of an ensemble are given and what comes of them, as arrays over the members."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.record import record
from symnum.solving.problem import Problem
from symnum.solving.statistics import Status

__all__ = ["NOT_RUN", "STATUSES", "Inputs", "MemberRuns", "Outcome", "Stopped", "number_of", "numbers_of"]

STATUSES = ("interrupted", *(status.name.lower() for status in Status), "terminated")
"""Names of how a member can end; the first: it was not come to. Members carry their numbers, -1 for none."""
NOT_RUN = 0
_NAMES = np.array(STATUSES)
_NUMBERS = np.full(1 + max(status.value for status in Status), -1, np.int8)
for _number, _status in enumerate(Status, 1):
    _NUMBERS[_status.value] = _number
# a member that stands at an event was ended by it
_NUMBERS[Status.EVENT.value] = STATUSES.index("terminated")


def numbers_of(codes: NDArray[np.int64]) -> NDArray[np.int8]:
    """The numbers in `STATUSES` of values of `Status`."""
    return _NUMBERS[codes]


def number_of(name: str) -> int:
    """The number of a status in `STATUSES`."""
    return STATUSES.index(name)


class Stopped(Exception):
    """The members cannot be run any further; what has come of them stays."""


@record
class Inputs:
    """(k, n) starts, (k, n_parameters) parameters, and (k, 4) random streams where there is chance."""

    starts: FloatArray
    parameters: FloatArray
    streams: IntArray | None

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, first: int, last: int) -> Inputs:
        streams = None if self.streams is None else self.streams[first:last]
        return Inputs(self.starts[first:last], self.parameters[first:last], streams)


@record
class Outcome:
    """y: (k, m, n), NaN where a member did not come to. All others (k,): numbers in `STATUSES`, counts of
    steps, rejected steps and random events, and whether the member had to leave the lanes."""

    y: FloatArray
    status: NDArray[np.int8]
    steps: IntArray
    rejected: IntArray
    events: IntArray
    alone: NDArray[np.bool_]

    @classmethod
    def empty(cls, members: int, times: int, n: int) -> Outcome:
        status: NDArray[np.int8] = np.full(members, NOT_RUN, np.int8)
        steps, rejected, events = (np.zeros(members, np.int64) for _ in range(3))
        alone = np.zeros(members, bool)
        return cls(np.full((members, times, n), np.nan), status, steps, rejected, events, alone)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.y, self.status, self.steps, self.rejected, self.events, self.alone

    def part(self, first: int, last: int) -> Outcome:
        """A view: what is written to it is written here."""
        return Outcome(*(array[first:last] for array in self.arrays()))

    def names(self) -> NDArray[np.str_]:
        """(k,) how the members ended."""
        return _NAMES[self.status]

    def fill(self, arrays: tuple[NDArray[Any], ...]) -> None:
        for mine, theirs in zip(self.arrays(), arrays, strict=True):
            mine[:] = theirs


class MemberRuns(Protocol):
    """How the members of one ensemble are run. What comes of a member depends on it alone: not on which
    others run with it, nor on where. Pickles."""

    problem: Problem
    times: FloatArray
    counts_events: bool

    @property
    def width(self) -> int:
        """Members that go side by side."""

    @property
    def how(self) -> str:
        """How the members run, and why so."""

    def options(self) -> dict[str, Any]:
        """What the results depend on beside the problem and the inputs: numbers, texts and arrays by name."""

    def __call__(self, given: Inputs, out: Outcome) -> None:
        """Run the members, one or several at once."""
