"""Delays in a run: the past as dense output, looked up whenever the model is evaluated.

Method of steps (Bellen and Zennaro, Numerical Methods for Delay Differential Equations, 2003, chapter 3): a
step is no longer than the shortest delay, so that what it reads is known; it ends at every point to which a
delay carries a discontinuity, until that is as smooth as the method can see. Between steps the method's own
interpolant is read. A delay that gets shorter than a step in the course of it makes the step be repeated.
"""

from __future__ import annotations

import ctypes
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled import SIGNATURE
from symnum.codegen.model_functions import ModelFunctions
from symnum.errors import SolveFailed
from symnum.lowering.flat import FlatSystem
from symnum.lowering.written_out import over_entries
from symnum.record import replace
from symnum.rewriting.walk import leaves
from symnum.solving.dense import DenseOutput
from symnum.solving.values import value_function

__all__ = ["Past"]

FloatArray: TypeAlias = NDArray[np.float64]

_SMOOTH = 5  # how often a discontinuity is carried on: each time one more derivative is continuous
_SAME = 1e-12  # relative distance of times that differ by round-off
_AHEAD = 1e-4  # of a step: for the derivative in time
_DEEPEST = 500  # delays of delayed values


class Past:
    """The delays of a system and what is known of the past.

    middle: a time within the smooth stretch that is being integrated; it tells on which side of a
    discontinuity the past is read. error: what went wrong while the kernel was calling.
    """

    def __init__(self, flat: FlatSystem) -> None:
        self.flat = flat
        self.slots = [flat.parameter_index(each.parameter, "delay") for each in flat.delays]
        self.number = {slot: j for j, slot in enumerate(self.slots)}
        self.values, self.lags, self.befores = [], [], []
        self.needs: list[list[int]] = []
        self.constant: list[bool] = []  # lags that change at events alone
        for each in flat.delays:
            where = each.parameter
            expr, lag = flat.with_numbers((each.expr, each.lag), where)
            self.values.append(value_function(flat, expr))
            self.lags.append(value_function(flat, lag))
            before = None if each.before is None else flat.with_numbers((each.before,), where)[0]
            self.befores.append(None if before is None else value_function(flat, before))
            read = leaves((over_entries(flat, expr),))
            self.needs.append([self.number[k] for k in _parameters(read) if k in self.number])
            of_lag = leaves((over_entries(flat, lag),))
            moving = any(leaf.op == "slot" and leaf.data[0] == "u" for leaf in of_lag)
            moving = moving or any(leaf.op == "symbol" for leaf in of_lag)  # the time
            self.constant.append(not (moving or any(k in self.number for k in _parameters(of_lag))))
        self.starts: list[float] = []
        self.pieces: list[tuple[DenseOutput, FloatArray]] = []
        self.jumps: list[float] = []
        self.breaks: list[tuple[float, int]] = []
        self.begin, self.end = math.nan, math.nan
        self.first: tuple[FloatArray, FloatArray] = (np.empty(0), np.empty(0))
        self.middle: float | None = None
        self.error: Exception | None = None

    # ---- the run --------------------------------------------------------------------------------------
    def start(self, t: float, u: FloatArray, p: FloatArray) -> None:
        self.begin = self.end = t
        self.first = u.copy(), p.copy()
        self.fill(t, u, p)
        self.jumped(t, u, p)

    def jumped(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """The state, a parameter or their slope jumps at t."""
        insort(self.jumps, t)
        self.carried(t, 0, u, p)

    def carried(self, t: float, level: int, u: FloatArray, p: FloatArray) -> None:
        """Delays carry a discontinuity on to later times."""
        if level >= _SMOOTH:
            return
        for j, lag in enumerate(self.lags):
            if self.constant[j] and (length := lag(t, u, p)) > 0.0:
                at = t + length
                if not any(abs(at - other) <= _SAME * max(1.0, abs(at)) for other, _ in self.breaks):
                    insort(self.breaks, (at, level + 1))

    @property
    def next_break(self) -> float:
        """The next time to which a delay carries a discontinuity."""
        return self.breaks[0][0] if self.breaks else math.inf

    def passed(self, t: float, u: FloatArray, p: FloatArray) -> bool:
        """Whether the run stands at such a time; it is taken off the list."""
        if t < self.next_break:
            return False
        _, level = self.breaks.pop(0)
        insort(self.jumps, t)
        self.carried(t, level, u, p)
        return True

    def shortest(self, t: float, u: FloatArray, p: FloatArray) -> float:
        """The shortest of the constant delays: a step may not be longer."""
        lengths = [lag(t, u, p) for j, lag in enumerate(self.lags) if self.constant[j]]
        return min((length for length in lengths if length > 0.0), default=math.inf)

    def add(self, piece: DenseOutput, p: FloatArray) -> None:
        """One more step is known."""
        if len(piece.start):
            self.starts.append(float(piece.start[0]))
            self.pieces.append((piece, p.copy()))
            self.end = float(piece.end[-1])

    # ---- looking back -----------------------------------------------------------------------------
    def fill(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """Write the delayed values at (t, u) into their places in ``p``; NaN where they are not known yet."""
        for j, slot in enumerate(self.slots):
            p[slot] = self.value(j, t, u, p)

    def value(self, j: int, t: float, u: FloatArray, p: FloatArray, depth: int = 0) -> float:
        lag = self.lags[j](t, u, p)
        if lag == 0.0:
            return self.values[j](t, u, p)
        name = self.flat.delays[j].parameter
        if lag < 0.0:
            raise SolveFailed(f"{name} at t = {t:g}: the lag is {lag:g}; a delay looks back")
        if depth > _DEEPEST:
            raise SolveFailed(f"{name} at t = {t:g}: it depends on ever earlier delayed values")
        at = t - lag
        tolerance = _SAME * max(1.0, abs(at))
        k = bisect_right(self.jumps, at + tolerance) - 1
        if k >= 0 and at - self.jumps[k] <= tolerance:
            later = self.middle is None or self.middle - lag > self.jumps[k]
            past = self.at(self.jumps[k], later)
            at = self.jumps[k]
        elif at > self.end:
            if at > self.end + tolerance:
                return math.nan
            past = self.at(self.end, False)
        else:
            past = self.at(at, True)
        if past is None:
            before = self.befores[j]
            if before is not None:
                return before(at, *self.first)
            at, past = self.begin, (self.first[0], self.first[1].copy())
        for i in self.needs[j]:
            past[1][self.slots[i]] = self.value(i, at, past[0], past[1], depth + 1)
        return self.values[j](at, *past)

    def at(self, t: float, later: bool) -> tuple[FloatArray, FloatArray] | None:
        """(u, p) at t, behind or before a discontinuity there; None before the start."""
        if t < self.begin or (t == self.begin and not later):
            return None
        if not self.pieces:
            return self.first[0], self.first[1].copy()
        k = (bisect_right if later else bisect_left)(self.starts, t) - 1
        piece, p = self.pieces[max(k, 0)]
        return piece.extended(np.array([t]))[:, 0], p.copy()

    # ---- functions for the kernel -----------------------------------------------------------------
    def wrapped(self, model: ModelFunctions, step_size: Callable[[], float]) -> ModelFunctions:
        """The functions of the model with the delayed values put in before each call."""
        setup = SIGNATURE(model.setup)
        n, n_p = model.n, model.n_parameters
        constants = np.zeros(max(len(model.indices), 1))
        keep: list[Any] = [setup, constants]

        def guarded(size: int, body: Callable[..., None]) -> int:
            def call(t: float, out: int, u: int, p: int, work: int) -> None:
                try:
                    body(t, out, u, p, work)
                except Exception as error:  # it cannot pass through the kernel
                    self.error = self.error or error
                    _view(out, size)[:] = math.nan

            keep.append(SIGNATURE(call))
            return ctypes.cast(keep[-1], ctypes.c_void_p).value or 0

        def plain(address: int, size: int, prepared: bool) -> int:
            function = SIGNATURE(address)
            keep.append(function)

            def body(t: float, out: int, u: int, p: int, work: int) -> None:
                self.fill(t, _view(u, n), _view(p, n_p))
                setup(t, out if prepared else constants.ctypes.data, u, p, work)
                function(t, out, u, p, work)

            return guarded(size, body)

        rhs = plain(model.rhs, n, False)
        function = SIGNATURE(rhs)

        def gradient(t: float, out: int, u: int, p: int, work: int) -> None:
            """By differences of second order ahead, because the past may have a kink right here."""
            h = _AHEAD * (step_size() or max(1.0, abs(t)) * 1e-4)
            rows = np.zeros((3, n))
            for k in range(3):
                function(t + k * h, rows[k].ctypes.data, u, p, work)
            _view(out, n)[:] = (-3.0 * rows[0] + 4.0 * rows[1] - rows[2]) / (2.0 * h)
            self.fill(t, _view(u, n), _view(p, n_p))

        entries = len(model.indices)
        return replace(
            model, rhs=rhs, jacobian=plain(model.jacobian, entries, True), time_gradient=guarded(n, gradient),
            roots=plain(model.roots, model.n_events + 2 * model.n_limits, False) if model.roots else 0,
            owners=(*model.owners, *keep),
        )  # fmt: skip


def _parameters(read: Any) -> list[int]:
    return [leaf.data[1] for leaf in read if leaf.op == "slot" and leaf.data[0] == "p"]


def _view(address: int, size: int) -> FloatArray:
    if not size:
        return np.empty(0)
    return np.ctypeslib.as_array((ctypes.c_double * size).from_address(address))
