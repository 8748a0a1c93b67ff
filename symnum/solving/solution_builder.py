"""The solution of a run while it is being made: what is kept, and the stretches between events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from symnum.lowering.flat import FlatSystem
from symnum.solving.checkpoint import Checkpoint
from symnum.solving.options import FloatArray
from symnum.solving.solution import Happened, Segment, Solution

if TYPE_CHECKING:
    from symnum.solving.delays import Past
    from symnum.solving.dense import DenseOutput
    from symnum.solving.stochastic.step_function import StepFunction

__all__ = ["SolutionBuilder"]


class SolutionBuilder:
    """What one run has kept so far. begin: of the span.

    times, values: pieces (k,) and (k, n). happened: the events.
    """

    def __init__(self, flat: FlatSystem, begin: float) -> None:
        self.flat, self.begin = flat, begin
        self.times: list[FloatArray] = []
        self.values: list[FloatArray] = []
        self.happened: list[Happened] = []
        self._segment_of: list[int] = []
        self._segments: list[Segment] = []
        self._segment_begin = begin

    def keep(self, times: FloatArray, values: FloatArray) -> None:
        """(k,) times with (k, n) values."""
        if len(times):
            self.times.append(times)
            self.values.append(values)
            self._segment_of.append(len(self._segments))

    def keep_point(self, t: float, u: FloatArray) -> None:
        self.keep(np.array([t]), u[None, :].copy())

    def in_segment(self) -> tuple[FloatArray, FloatArray]:
        """What has been kept since the last event: (k,) and (k, n)."""
        first = self._segment_of.index(len(self._segments))
        return np.concatenate(self.times[first:]), np.concatenate(self.values[first:])

    def end_segment(self, t: float, p: FloatArray, dense: DenseOutput | StepFunction | None) -> None:
        """The stretch up to t is over: its parameters and interpolant. Another one begins there."""
        self._segments.append(Segment(self._segment_begin, p.copy(), dense))
        self._segment_begin = t

    def solution(
        self, status: str, stats: Any, method: str, past: Past | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Solution:  # fmt: skip
        """Of all stretches, the last of which has ended."""
        t = _joined(self.times, (0,))
        y = _joined(self.values, (0, self.flat.n)).T
        # what a last event saved belongs to the stretch before it: there is none behind
        segments = [min(k, len(self._segments) - 1) for k in self._segment_of]
        if segments and segments[-1]:
            segment = np.repeat(np.array(segments), [len(times) for times in self.times])
        else:
            segment = np.zeros(len(t), np.int64)
        return Solution(
            self.flat, tuple(self._segments), t, y, segment, past, status, stats, tuple(self.happened),
            method, checkpoint,
        )  # fmt: skip


def _joined(pieces: list[FloatArray], shape_of_none: tuple[int, ...]) -> FloatArray:
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.zeros(shape_of_none)
