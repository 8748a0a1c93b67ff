"""The host's side of the stepping loop: memory, statuses, output. Solvers are built on this class."""

from __future__ import annotations

import enum
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray, ModelFunctions
from symnum.errors import ModelError
from symnum.record import record
from symnum.solving.dense import DenseOutput
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import kernel, model_function
from symnum.solving.linear_system import LinearSystem, patterns
from symnum.solving.tableau import Method

__all__ = ["Integrator", "Reinitialization", "Statistics", "Status"]


class Status(enum.Enum):
    """How a run came to stand still; the kernels never raise."""

    DONE = slot.DONE  # t_stop is reached
    PAUSED = slot.PAUSED  # pause_after steps are made
    EVENT = slot.EVENT  # just beyond the sign change of the events in `Integrator.fired`
    STEP_TOO_SMALL = slot.STEP_TOO_SMALL  # the error stays too large however short the step
    MAX_STEPS_REACHED = slot.MAX_STEPS_REACHED
    NOT_FINITE = slot.NOT_FINITE  # f is not finite, however short the step
    SINGULAR = slot.SINGULAR  # the matrix of the linear system is, however short the step
    ZENO = slot.ZENO  # events without end in no time
    CHATTER = slot.CHATTER  # limits switch without end in no time
    NOT_CONVERGED = slot.NOT_CONVERGED  # no consistent algebraic variables were found after a limit switched


@dataclass
class Statistics:
    """What a run has cost so far."""

    steps: int = 0
    rejected: int = 0
    rhs_evaluations: int = 0
    jacobians: int = 0
    factorizations: int = 0
    solves: int = 0
    events: int = 0
    limit_switches: int = 0
    newton_iterations: int = 0
    pivot_orders: int = 0
    fallbacks: int = 0  # steps of the specialised tier that had to pivot
    tier: str = "generic"  # which step function, and why
    setup_milliseconds: float = 0.0  # memory, kernels, pivot orders
    solve_milliseconds: float = 0.0  # in the compiled loop


@record
class Reinitialization:
    """Outcome of making the algebraic variables consistent; rows are those of the system."""

    converged: bool
    worst_row: int
    residual: float
    iterations: int
    reason: str  # "", "not converged", "not finite" or "singular"


_COUNTERS = {
    "steps": slot.STEPS, "rejected": slot.REJECTED, "rhs_evaluations": slot.RHS_CALLS,
    "jacobians": slot.JACOBIANS, "factorizations": slot.FACTORIZATIONS, "solves": slot.SOLVES,
    "events": slot.EVENTS, "limit_switches": slot.SWITCHES, "newton_iterations": slot.NEWTONS,
    "fallbacks": slot.FALLBACKS,
}  # fmt: skip

# Room for this many numbers is made at first when every step is saved.
_CHUNK = 1 << 16
# Repeatedly choosing a pivot order at one and the same step leads nowhere.
_REPIVOTS_IN_A_ROW = 4


class Integrator:
    """One run of a compiled model with one method.

    rtol, atol: an error estimate e is accepted when the root mean square of e_i/(atol_i + rtol |u_i|) is
    at most 1; atol has shape (n,). first_step: None to have it chosen. adaptive=False: steps of
    first_step throughout. linear: "auto", "dense" or "sparse". Raises ModelError for an explicit method
    on a system with algebraic rows.
    """

    def __init__(
        self,
        model: ModelFunctions,
        method: Method,
        *,
        rtol: float,
        atol: FloatArray,
        max_step: float = math.inf,
        first_step: float | None = None,
        max_steps: int = 10**7,
        linear: str = "auto",
        adaptive: bool = True,
    ) -> None:
        began = time.perf_counter()
        algebraic = np.flatnonzero(model.mass == 0.0).astype(np.int32)
        if len(algebraic) > 0 and method.dae == 0:
            raise ModelError(
                f"{method} cannot solve systems with algebraic equations, and this one has {len(algebraic)}. "
                "Use Rodas5P, or another method for stiff systems."
            )
        if linear not in ("auto", "dense", "sparse"):
            raise ModelError(f"linear={linear!r}: must be 'auto', 'dense' or 'sparse'")
        if not (rtol > 0.0 and np.all(np.asarray(atol) > 0.0)):
            raise ModelError("rtol and atol must be positive")
        if first_step is not None and not first_step > 0.0:
            raise ModelError(f"first_step must be positive, not {first_step}")
        if first_step is None and not adaptive:
            raise ModelError("adaptive=False needs first_step, the size of all steps")
        if not max_step > 0.0:
            raise ModelError(f"max_step must be positive, not {max_step}")
        self.model = model
        self.method = method
        self.stats = Statistics()
        n = model.n
        self.u: FloatArray = np.zeros(n)
        self.p: FloatArray = np.zeros(model.n_parameters)
        self._keep: dict[int, npt.NDArray[Any]] = {}
        self._integers = np.zeros(slot.SIZE, dtype=np.int64)
        self._floats = np.zeros(slot.FLOATS_SIZE)
        self._set(slot.N, n)
        self._set(slot.N_ALGEBRAIC, len(algebraic))
        self._set(slot.N_EVENTS, model.n_events)
        self._set(slot.N_LIMITS, model.n_limits)
        self._set(slot.N_ROOTS, model.n_events + 2 * model.n_limits)
        self._set(slot.SETUP, model.setup)
        self._set(slot.RHS, model.rhs)
        self._set(slot.JACOBIAN, model.jacobian)
        self._set(slot.GRADIENT, model.time_gradient)
        self._set(slot.ROOTS, model.roots)
        self._point(slot.FLOATS, self._floats)
        self._point(slot.P, self.p)
        self._point(slot.U, self.u)
        self._point(slot.WORK, np.zeros(max(model.n_work, 1)))
        self._point(slot.MASS, np.ascontiguousarray(model.mass, dtype=np.float64))
        self._point(slot.ATOL, np.array(np.broadcast_to(np.asarray(atol, dtype=np.float64), (n,))))
        self._point(slot.ALGEBRAIC, algebraic)
        self._point(slot.DIRECTION, np.ascontiguousarray(model.event_direction, dtype=np.int64))
        self._point(slot.LIMIT_PARAMETER, np.ascontiguousarray(model.limit_parameter, dtype=np.int64))
        places = (
            slot.V, slot.END, slot.F0, slot.F1, slot.ERROR, slot.GT, slot.Y, slot.Z, slot.SLOPE0, slot.SLOPE1,
        )  # fmt: skip
        vectors = np.zeros((len(places), n))
        first = vectors.ctypes.data  # asking for each address on its own takes longer than a short run
        for k, where in enumerate(places):
            self._keep[where] = vectors[k]
            self._integers[where] = first + 8 * n * k
        self._point(slot.INDPTR, np.ascontiguousarray(model.indptr, dtype=np.int64))
        self._point(slot.INDICES, np.ascontiguousarray(model.indices, dtype=np.int64))
        jacobian = np.zeros(max(len(model.indices), 1))
        self._point(slot.JACOBIAN_VALUES, jacobian)
        self._method(method)

        switchings = model.n_events + model.n_limits
        self._point(slot.ROOT_VALUES, np.zeros(model.n_events + 2 * model.n_limits + switchings))
        self._point(slot.ROOTS_BEFORE, np.zeros(switchings))
        for where in (slot.SIDE, slot.FIRED, slot.FIRED_BEFORE):
            self._point(where, np.zeros(switchings, dtype=np.int64))
        self._point(slot.HELD, np.zeros(model.n_limits, dtype=np.int64))
        self._point(slot.GRID, np.zeros(0))

        # W of the steps and the algebraic block for consistency; explicit methods have neither.
        self._systems: dict[int, LinearSystem] = {}
        if method.family != "explicit":
            scale = self._floats[slot.SCALE : slot.SCALE + 1]
            whole, block = patterns(model)
            self._system(slot.W, LinearSystem(whole, jacobian, scale, linear))
            if len(algebraic) > 0:
                self._system(slot.G, LinearSystem(block, jacobian, scale, linear))
            self._functions("linear", "factor", "solve")
        self._advance = library.addresses("loop")["advance"]
        if switchings > 0:
            self._functions("locate", "locate", "settle_sides", "switch_fired", "switch_outside")
        if len(algebraic) > 0:
            self._functions("newton", "reinitialize", "slope_start", "slope_end")

        x = self._floats
        x[slot.RTOL] = rtol
        x[slot.MAX_STEP] = max_step
        x[slot.FIRST_STEP] = first_step or 0.0
        self._set(slot.ADAPTIVE, int(adaptive))
        self._set(slot.MAX_STEPS, max_steps)
        self._dense_records: list[FloatArray] = []
        self._saved: list[tuple[FloatArray, FloatArray]] = []
        self.stats.setup_milliseconds += 1e3 * (time.perf_counter() - began)

    def _method(self, method: Method) -> None:
        controller = method.controller
        k = method.embedded + 1
        x = self._floats
        x[slot.SAFETY] = controller.safety
        x[slot.EXPONENT] = controller.now / k
        x[slot.EXPONENT_BEFORE] = controller.before / k
        x[slot.SHRINK] = controller.shrink
        x[slot.GROW] = controller.grow
        x[slot.ORDER] = k
        self._set(slot.STEP, library.addresses(f"step_{method.family}")["step"])
        self._point(slot.TABLE, np.ascontiguousarray(method.table()))
        self._set(slot.STAGE_COUNT, method.stages)
        self._set(slot.SWEEPS, method.sweeps)
        self._set(slot.EXPLICIT, int(method.family == "explicit"))
        self._set(slot.FSAL, int(method.first_same_as_last))
        dense = method.dense_table()
        rows = 2 if dense is None else len(dense)
        self._set(slot.HERMITE, int(dense is None))
        self._set(slot.DENSE_ROWS, rows)
        if dense is not None:
            self._point(slot.DENSE_TABLE, np.ascontiguousarray(dense))
        self._point(slot.STAGES, np.zeros((method.stages, self.model.n)))
        self._point(slot.DENSE, np.zeros((rows, self.model.n)))

    def specialise(self, step: int, function: int, factors: int) -> None:
        """Use a step made for this model (and its f), at any moment between two calls of `advance`.

        factors: the doubles that its factorization takes. Where its pivot order is a bad one it calls the
        step that was there before.
        """
        if self._integers[slot.STEP_GENERIC] == 0:
            self._set(slot.STEP_GENERIC, int(self._integers[slot.STEP]))
        self._set(slot.STEP, step)
        self._set(slot.RHS, function)
        self._point(slot.FACTORS, np.zeros(max(factors, 1)))

    def _functions(self, unit: str, *names: str) -> None:
        """Give the kernels the addresses of the functions of another unit."""
        for name in names:
            self._set(getattr(slot, name.upper()), library.addresses(unit)[name])

    def _set(self, where: int, value: int) -> None:
        self._integers[where] = value

    def _point(self, where: int, array: npt.NDArray[Any]) -> None:
        self._keep[where] = array
        self._integers[where] = array.ctypes.data

    def _system(self, where: int, system: LinearSystem) -> None:
        self._systems[where] = system
        self._point(where, system.table)

    # --- the run
    # ---------------------------------------------------------------------------------------------------

    @property
    def t(self) -> float:
        return float(self._floats[slot.T])

    @property
    def work(self) -> FloatArray:
        """The scratch memory of the model's functions, (n_work,)."""
        return self._keep[slot.WORK]

    @property
    def fired(self) -> list[int]:
        """The events at which the run has just stopped."""
        return [int(k) for k in np.flatnonzero(self._keep[slot.FIRED][: self.model.n_events])]

    @property
    def held(self) -> list[int]:
        """The limits that hold their state."""
        return [int(k) for k in np.flatnonzero(self._keep[slot.HELD])]

    @property
    def worst_row(self) -> int:
        """The row that the last failure is about."""
        return int(self._integers[slot.WORST])

    @property
    def linear(self) -> str:
        """How the linear systems of the steps are solved."""
        return self._systems[slot.W].kind if slot.W in self._systems else "none"

    def start(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """Begin at (t, u) with parameters p; both are copied. All limits are free at first."""
        self.u[:] = u
        self.p[:] = p
        self._floats[slot.T] = t
        self._floats[slot.LAST_STOP] = -math.inf
        self._keep[slot.HELD][:] = 0
        for where in (slot.SIDE, slot.FIRED, slot.FIRED_BEFORE):
            self._keep[where][:] = 0
        for where in (*_COUNTERS.values(), slot.CROWDED, slot.ROUNDS):
            self._set(where, 0)
        self._set(slot.FAILURE, slot.STEP_TOO_SMALL)
        self._floats[slot.STEP_CAP] = self._floats[slot.MAX_STEP]
        self.changed_parameters()

    def changed_parameters(self) -> None:
        """After `p` or `u` was written to: nothing that was computed for the old values is used again."""
        # what limits hold is state of the run, whatever the caller wrote into these parameters
        limited = self.model.limit_parameter
        self.p[limited] = 1.0
        self.p[limited[self._keep[slot.HELD] != 0]] = 0.0
        jacobian = self._keep[slot.JACOBIAN_VALUES]
        model_function(self.model.setup, self.t, jacobian, self.u, self.p, self.work)
        for flag in (slot.HAVE_F0, slot.HAVE_F1, slot.HAVE_JACOBIAN, slot.HAVE_SLOPE0):
            self._set(flag, 0)
        self._floats[slot.H] = 0.0
        self._set(slot.PHASE, slot.RESTART)

    def reinitialize(self) -> Reinitialization:
        """Solve the algebraic equations for the algebraic variables; t and the others are kept."""
        if self._integers[slot.N_ALGEBRAIC] == 0:
            return Reinitialization(converged=True, worst_row=0, residual=0.0, iterations=0, reason="")
        before = int(self._integers[slot.NEWTONS])
        status = self._run(int(self._integers[slot.REINITIALIZE]))
        reasons = {
            slot.NOT_CONVERGED: "not converged",
            slot.NOT_FINITE: "not finite",
            slot.SINGULAR: "singular",
        }
        return Reinitialization(
            converged=status == slot.OK,
            worst_row=self.worst_row,
            residual=float(self._floats[slot.RESIDUAL]),
            iterations=int(self._integers[slot.NEWTONS]) - before,
            reason=reasons.get(status, ""),
        )

    def advance(
        self,
        t_stop: float,
        *,
        saveat: FloatArray | None = None,
        dense: bool = False,
        pause_after: int | None = None,
    ) -> Status:
        """Run to t_stop, exactly, or until an event, a failure or `pause_after` steps; `saved` gives the
        output.

        saveat: increasing times to save at, those up to t counting as saved already, except one at t
        itself as long as no step has been made; None: after every accepted step. At an event the state
        before it is saved. dense: keep the interpolants for `dense_output`.
        """
        if not self.t <= t_stop < math.inf:
            raise ModelError(f"cannot run from t = {self.t} to {t_stop}: the end must be finite, not earlier")
        self._floats[slot.T_STOP] = t_stop
        self._set(slot.PAUSE_LEFT, -1 if pause_after is None else pause_after)
        self._set(slot.KEEP_DENSE, int(dense))
        if self._integers[slot.PHASE] != slot.SAVING:
            self._output(saveat)
        while True:
            status = self._run(self._advance)
            if status != slot.BUFFER_FULL:
                return Status(status)
            self._drain()

    def _output(self, saveat: FloatArray | None) -> None:
        """Set up the output buffers for a call of `advance`."""
        n = self.model.n
        self._drain()
        if saveat is not None:
            grid = np.ascontiguousarray(saveat, dtype=np.float64)
            first = int(
                np.searchsorted(grid, self.t, side="left" if self._integers[slot.STEPS] == 0 else "right")
            )
            last = int(np.searchsorted(grid, self._floats[slot.T_STOP], side="right"))
            self._set(slot.SAVE, slot.SAVE_GRID)
            self._point(slot.GRID, grid)
            self._set(slot.GRID_SIZE, len(grid))
            room = last - first
            self._set(slot.GRID_NEXT, first)
        else:
            self._set(slot.SAVE, slot.SAVE_STEPS)
            room = max(_CHUNK // max(n, 1), 16)
        self._buffers(room)
        if saveat is not None and room > 0 and grid[first] == self.t:
            self._keep[slot.SAVED_T][0] = self.t
            self._keep[slot.SAVED_U][0] = self.u
            self._set(slot.SAVED_COUNT, 1)
            self._set(slot.GRID_NEXT, first + 1)
        if self._integers[slot.KEEP_DENSE]:
            self._record_buffer()

    def _buffers(self, room: int) -> None:
        self._point(slot.SAVED_T, np.empty(room))
        self._point(slot.SAVED_U, np.empty((room, self.model.n)))
        self._set(slot.SAVED_CAPACITY, room)
        self._set(slot.SAVED_COUNT, 0)

    def _record_buffer(self) -> None:
        size = 3 + (2 + int(self._integers[slot.DENSE_ROWS])) * self.model.n
        room = max(_CHUNK // size, 16)
        self._point(slot.KEPT, np.empty((room, size)))
        self._set(slot.KEPT_CAPACITY, room)
        self._set(slot.KEPT_COUNT, 0)

    def _drain(self) -> None:
        """Take over what the kernel has written: full buffers as they are, little of a large one copied."""
        count = int(self._integers[slot.SAVED_COUNT])
        room = int(self._integers[slot.SAVED_CAPACITY])
        if count > 0:
            times, states = self._keep[slot.SAVED_T][:count], self._keep[slot.SAVED_U][:count]
            if 2 * count < room:
                self._saved.append((times.copy(), states.copy()))
                self._set(slot.SAVED_COUNT, 0)
            else:
                self._saved.append((times, states))
                self._buffers(2 * room if count == room else room)
        kept = int(self._integers[slot.KEPT_COUNT])
        if kept > 0:
            records = self._keep[slot.KEPT][:kept]
            if 2 * kept < self._integers[slot.KEPT_CAPACITY]:
                self._dense_records.append(records.copy())
                self._set(slot.KEPT_COUNT, 0)
            else:
                self._dense_records.append(records)
                self._record_buffer()

    def saved(self) -> tuple[FloatArray, FloatArray]:
        """Times (k,) and states (n, k) that were saved since the last call."""
        self._drain()
        pieces, self._saved = self._saved, []
        if not pieces:
            return np.empty(0), np.empty((self.model.n, 0))
        if len(pieces) == 1:
            return pieces[0][0], pieces[0][1].T
        return np.concatenate([t for t, _ in pieces]), np.concatenate([u for _, u in pieces]).T

    def dense_output(self) -> DenseOutput:
        """The interpolant over the steps that ran with dense=True since the last call."""
        self._drain()
        kept, self._dense_records = self._dense_records, []
        rows = int(self._integers[slot.DENSE_ROWS])
        size = 3 + (2 + rows) * self.model.n
        records = np.concatenate(kept) if kept else np.empty((0, size))
        return DenseOutput.from_records(records, self.model.n)

    def _run(self, address: int) -> int:
        """Call a kernel; choose pivot orders as often as it asks for them."""
        a = self._integers
        repeated, at_step = 0, -1
        while True:
            began = time.perf_counter()
            status = kernel(address, a)
            middle = time.perf_counter()
            self.stats.solve_milliseconds += 1e3 * (middle - began)
            if status != slot.REPIVOT:
                break
            step = int(a[slot.STEPS] + a[slot.REJECTED])
            repeated = repeated + 1 if step == at_step else 0
            at_step = step
            wanted = int(a[slot.REPIVOT_SYSTEM])
            system = next(s for s in self._systems.values() if s.table.ctypes.data == wanted)
            self.stats.pivot_orders += 1
            fine = repeated < _REPIVOTS_IN_A_ROW and system.analyse()
            self.stats.setup_milliseconds += 1e3 * (time.perf_counter() - middle)
            if not fine:
                status = slot.SINGULAR
                break
        for name, where in _COUNTERS.items():
            setattr(self.stats, name, int(a[where]))
        return status
