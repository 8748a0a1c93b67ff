"""The solution of a run while it is being made: what is kept, and the stretches between events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from symnum.lowering.flat import FlatSystem
from symnum.solving.checkpoint import Checkpoint
from symnum.solving.dense import DenseOutput
from symnum.solving.integrator import Integrator
from symnum.solving.options import FloatArray
from symnum.solving.solution import Happened, Segment, Solution

if TYPE_CHECKING:
    from symnum.solving.delays import Past

__all__ = ["SolutionBuilder"]


class SolutionBuilder:
    """What one run has kept so far. begin: of the span. dense: are interpolants kept? past: where delays are.

    times, values: pieces (k,) and (k, n). happened: the events. pieces: with delays, the steps since the
    last event.
    """

    def __init__(self, flat: FlatSystem, begin: float, dense: bool, past: Past | None) -> None:
        self.flat, self.begin, self.dense, self.past = flat, begin, dense, past
        self.times: list[FloatArray] = []
        self.values: list[FloatArray] = []
        self.happened: list[Happened] = []
        self.pieces: list[DenseOutput] = []
        self._segment_of: list[int] = []
        self._segments: list[Segment] = []
        self._segment_begin = begin

    def keep(self, times: FloatArray, values: FloatArray) -> None:
        """(k,) times with (n, k) values."""
        if len(times):
            self.times.append(times)
            self.values.append(values.T)
            self._segment_of.append(len(self._segments))

    def keep_point(self, t: float, u: FloatArray) -> None:
        self.keep(np.array([t]), u[:, None].copy())

    def begin_segment(self, integrator: Integrator) -> None:
        """The stretch up to where the integrator stands is over; its parameters and interpolant are kept."""
        if integrator.t > self.begin:
            self._close_segment(integrator)
        self._segment_begin = integrator.t

    def _close_segment(self, integrator: Integrator) -> None:
        dense = None
        if self.past:
            dense, self.pieces = DenseOutput.joined(self.pieces, self.flat.n), []
        elif self.dense:
            dense = integrator.dense_output()
        self._segments.append(Segment(self._segment_begin, integrator.p.copy(), dense))

    def solution(
        self, status: str, integrator: Integrator, methods: str, checkpoint: Checkpoint | None
    ) -> Solution:
        """What was reached, up to where the integrator stands."""
        self._close_segment(integrator)
        t = _joined(self.times, (0,))
        y = _joined(self.values, (0, self.flat.n)).T
        # what a last event saved belongs to the stretch before it: there is none behind
        segments = [min(k, len(self._segments) - 1) for k in self._segment_of]
        if segments and segments[-1]:
            segment = np.repeat(np.array(segments), [len(times) for times in self.times])
        else:
            segment = np.zeros(len(t), np.int64)
        return Solution(
            self.flat, tuple(self._segments), t, y, segment, self.past, status, integrator.stats,
            tuple(self.happened), methods, checkpoint,
        )  # fmt: skip


def _joined(pieces: list[FloatArray], shape_of_none: tuple[int, ...]) -> FloatArray:
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.zeros(shape_of_none)
