"""Steps in Fourier space, in the place of an `Integrator`: for PDEs whose linear part is diagonal there."""

from __future__ import annotations

import math
import time

import numpy as np

from symnum.codegen.model_functions import FloatArray, IntArray
from symnum.errors import ModelError
from symnum.lowering.flat import FlatSystem
from symnum.lowering.fourier_form import FourierForm
from symnum.solving.fourier_dense import FourierDense, FourierSteps
from symnum.solving.fourier_method import FourierMethod
from symnum.solving.fourier_system import FourierSystem
from symnum.solving.integrator import Reinitialization
from symnum.solving.kernel import library
from symnum.solving.kernel import modal_slot as slot
from symnum.solving.kernel.call import kernel
from symnum.solving.statistics import Statistics, Status
from symnum.solving.step_options import StepOptions

__all__ = ["FourierIntegrator"]

_SAFETY = 0.9
_SHORTER, _LONGER = 0.2, 5.0  # bounds of the change of a step
_WORTH = 1.3  # a step that would grow by less stays: new weights cost as much as a few steps
_FIRST = 0.01  # of the time in which N alone would change the state by itself: the first step
_VANISHING = 1e-14  # a step so short, relative to the time, goes nowhere
_PAUSE = 2000


class FourierIntegrator:
    """One run with a method for u' = L u + N(u, t); what it has in common with `Integrator` is used alike.

    The error of each component, as root mean square over all points, is held below atol + rtol times that of
    the component itself. Steps between two stops are of equal length until another one pays.
    """

    def __init__(
        self,
        form: FourierForm,
        flat: FlatSystem,
        method: FourierMethod,
        options: StepOptions,
    ) -> None:
        if options.controller is not None:
            raise ModelError(f"{method} controls its steps in its own way: leave controller= out")
        began = time.perf_counter()
        self.flat, self.method = flat, method
        self.system = FourierSystem(form, flat, method)
        self.system.put_tolerances(options.rtol, np.broadcast_to(options.atol, flat.n))
        self._kernels = library.addresses("modal")
        self._table, self._floats = self.system.table, self.system.floats
        self._table[slot.M_ADAPTIVE] = options.adaptive
        self._power = 1.0 / method.error_power
        self._adaptive, self._max_steps = options.adaptive, options.max_steps
        self._max_step = options.max_step
        self._step = options.first_step  # what steps should be like
        self.t = 0.0
        self.u: FloatArray = np.zeros(flat.n)
        self.p: FloatArray = np.zeros(len(flat.parameters))
        self.fired: list[int] = []
        self.sides: IntArray = np.zeros(0, np.int64)
        self.stats = Statistics()
        self.stats.tier = "Fourier space"
        self.stats.linear = "diagonal in Fourier space"
        self.stats.setup_milliseconds = 1e3 * (time.perf_counter() - began)
        self._saved: list[tuple[float, FloatArray]] = []
        self._records = FourierSteps(self.system)

    # --- the run -----------------------------------------------------------------------------------------
    @property
    def steps(self) -> int:
        return int(self._table[slot.M_STEPS])

    @property
    def next_step(self) -> float:
        return self._step or 0.0

    @property
    def worst_row(self) -> int:
        """The row whose slope is largest, or is not finite."""
        slope = self.slope()
        bad = np.flatnonzero(~np.isfinite(slope))
        return int(bad[0] if len(bad) else np.argmax(np.abs(slope)))

    def propose(self, step: float) -> None:
        """Of what length steps were, where a run goes on."""
        if self._step is None and step > 0:
            self._step = step

    def start(self, t: float, u: FloatArray, p: FloatArray) -> None:
        self.t = t
        self.u[:], self.p[:] = u, p
        self.changed_parameters()

    def changed_parameters(self) -> None:
        """The state or the parameters are others now."""
        self.system.put_parameters(self.p)
        self.system.put_state(self.u)
        self._table[slot.M_LEFT] = 0

    def move_to(self, t: float) -> None:
        self.t = t
        self.changed_parameters()

    def reinitialize(self) -> Reinitialization:
        """There are no algebraic unknowns."""
        return Reinitialization(True, -1, 0.0, 0, "")

    def slope(self) -> FloatArray:
        self._floats[slot.M_T] = self.t
        kernel(self._kernels["derivative"], self._table)
        return self.system.fields.states(self.system.slope())

    def advance(
        self,
        t_stop: float,
        *,
        saveat: FloatArray | None = None,
        dense: bool = False,
        pause_after: int | None = None,
    ) -> Status:
        """As `Integrator.advance`."""
        began = time.perf_counter()
        try:
            return self._advance(t_stop, saveat, dense, pause_after or _PAUSE)
        finally:
            table, stats = self._table, self.stats
            self.u[:] = self.system.fields.states(self.system.waves())
            stats.steps, stats.rejected = self.steps, int(table[slot.M_REJECTED])
            stats.rhs_evaluations = int(table[slot.M_EVALUATIONS])
            stats.solve_milliseconds += 1e3 * (time.perf_counter() - began)

    def _advance(self, t_stop: float, saveat: FloatArray | None, dense: bool, pause: int) -> Status:
        if saveat is not None and self.steps == 0 and self.t in saveat:
            self._saved.append((self.t, self.u.copy()))
        table, floats = self._table, self._floats
        until = min(self.steps + pause, self._max_steps)
        while self.t < t_stop:
            if self.steps >= until:
                return Status.MAX_STEPS_REACHED if self.steps >= self._max_steps else Status.PAUSED
            if table[slot.M_LEFT] == 0 or floats[slot.M_STOP] != t_stop:
                self._plan(t_stop)
            h = float(floats[slot.M_H])
            if h <= _VANISHING * max(abs(self.t), abs(t_stop - self.t)):
                return Status.STEP_TOO_SMALL
            wanted = self._steps_alone(saveat, h)
            looked_at = dense or wanted == 0
            self.system.keep(looked_at)
            table[slot.M_PAUSE_LEFT] = 1 if looked_at else min(wanted, until - self.steps)
            before = self.t
            status = kernel(self._kernels["advance"], table)
            if status == slot.M_NOT_FINITE:
                if not self._adaptive or not np.isfinite(self.slope()).all():
                    return Status.NOT_FINITE
                self._step, table[slot.M_LEFT] = h * _SHORTER, 0
                self.stats.rejected += 1
                continue
            self.t = float(floats[slot.M_T])
            if looked_at and self.t > before:
                self._records.add(before, h, self.t)
                self._keep(before, saveat)
                if not dense:
                    self._records.take()
            if status in (slot.M_LEFT_OUT, slot.M_LONGER):
                error = max(float(floats[slot.M_ERROR]), 1e-10)
                change = _SAFETY * error**-self._power
                self._step = min(h * min(max(change, _SHORTER), _LONGER), self._max_step)
                table[slot.M_LEFT] = 0
        return Status.DONE

    def _plan(self, t_stop: float) -> None:
        """Steps of equal length from here to the stop."""
        if self._step is None:
            self._step = self._first_step(t_stop)
        remaining = t_stop - self.t
        # a last bit more is no step of its own
        count = max(math.ceil(remaining / min(self._step, self._max_step) * (1.0 - 1e-10)), 1)
        floats = self._floats
        floats[slot.M_T], floats[slot.M_STOP], floats[slot.M_H] = self.t, t_stop, remaining / count
        may_grow = count > 1 and self._step < self._max_step
        floats[slot.M_ROOM] = (_SAFETY / _WORTH) ** self.method.error_power if may_grow else 0.0
        self._table[slot.M_LEFT] = count
        self.system.put_step(remaining / count)

    def _first_step(self, t_stop: float) -> float:
        self.slope()
        system = self.system
        state, n = system.state, system.terms[0]
        size = np.sqrt((state**2).sum(axis=(1, 2))) + system.atol
        speed = float(np.max(np.sqrt((n**2).sum(axis=(1, 2))) / size))
        span = t_stop - self.t
        return min(_FIRST / speed, span) if speed > 0 and math.isfinite(speed) else span

    def _steps_alone(self, saveat: FloatArray | None, h: float) -> int:
        """How many steps are made before the next one that has to be looked at."""
        if saveat is None:
            return 0
        following = int(np.searchsorted(saveat, self.t, side="right"))
        if following == len(saveat):
            return _PAUSE
        return max(math.ceil((float(saveat[following]) - self.t) / h * (1.0 - 1e-10)) - 1, 0)

    def _keep(self, before: float, saveat: FloatArray | None) -> None:
        """Save what the last step gives."""
        if saveat is None:
            self._saved.append((self.t, self.system.fields.states(self.system.waves())))
            return
        first, last = np.searchsorted(saveat, [before, self.t], side="right")
        if first < last:
            values = self._records.last(saveat[first:last])
            self._saved += [(float(t), values[:, k]) for k, t in enumerate(saveat[first:last])]

    def saved(self) -> tuple[FloatArray, FloatArray]:
        """As `Integrator.saved`."""
        pieces, self._saved = self._saved, []
        if not pieces:
            return np.empty(0), np.empty((self.flat.n, 0))
        return np.array([t for t, _ in pieces]), np.array([state for _, state in pieces]).T

    def dense_output(self) -> FourierDense:
        """As `Integrator.dense_output`."""
        return self._records.take()
