"""The host's side of the stepping loop: memory, statuses, output. Solvers are built on this class."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from symnum.codegen.model_functions import FloatArray, IntArray, ModelFunctions
from symnum.errors import ModelError
from symnum.record import record
from symnum.solving.dense import DenseOutput
from symnum.solving.integrator_layout import layout_of
from symnum.solving.kernel import library, slot
from symnum.solving.kernel.call import address_of, kernel, model_function
from symnum.solving.method import Method
from symnum.solving.output import Output
from symnum.solving.run_systems import RunSystems
from symnum.solving.statistics import COUNTED, Statistics, Status
from symnum.solving.step_options import StepOptions

__all__ = ["Integrator", "Reinitialization"]


@record
class Reinitialization:
    """Outcome of making the algebraic variables consistent; rows are those of the system."""

    converged: bool
    worst_row: int
    residual: float
    iterations: int
    reason: str  # "", "not converged", "not finite" or "singular"


# What a start sets to zero, and what is not known at a new point.
_FROM_ZERO = np.array([*COUNTED, slot.CROWDED, slot.QUIET, slot.ROUNDS, slot.LOOK])
_NOT_KNOWN = np.array([slot.HAVE_F0, slot.HAVE_F1, slot.HAVE_JACOBIAN, slot.HAVE_SLOPE0, slot.W_READY])
_SWITCHINGS = (slot.HELD, slot.SIDE, slot.FIRED, slot.FIRED_BEFORE, slot.RETURNS, slot.CAME_FROM)
_GOES_ON = np.array([
    slot.T, slot.LAST_STOP, slot.LONGEST, slot.STEP_CAP, slot.ERROR_BEFORE, slot.LOOK_T, slot.LOOK_END,
    slot.LOOK_STABLE, slot.LOOK_RATIO, slot.LOOK_AFFORDABLE, slot.RADIUS,
])  # fmt: skip
_COUNTS_ON = np.array([
    *_FROM_ZERO, slot.LOOK_NEXT, slot.LOOK_INTERVAL, slot.LOOK_STEPS, slot.LOOK_FREE, slot.LOOK_PATIENCE
])  # fmt: skip
_POINT = np.array([slot.U, slot.P, slot.WORK])
# Repeatedly choosing a pivot order at one and the same step leads nowhere.
_REPIVOTS_IN_A_ROW = 4


_NEVER = 1 << 62
# Unknowns from which on W-methods keep matrices. Factors of fewer cost little beside the further steps that
# old ones bring, and steps compiled for a model make new ones: both tiers give the same results.
_KEPT_FROM = 129
# Where matrices are kept a step that would grow by less than this stays as it is.
_STEADY = 1.2


class Integrator:
    """One run of a compiled model with one method.

    Raises ModelError for an explicit method on a system with algebraic rows.
    """

    _keeps = True  # may matrices serve several steps?

    def __init__(self, model: ModelFunctions, method: Method, options: StepOptions) -> None:
        began = time.perf_counter()
        if method.own_loop:
            raise ModelError(f"{method} runs single problems of sn.solve only; choose another method here")
        algebraic = model.n_algebraic
        if algebraic and method.dae == 0:
            raise ModelError(
                f"{method} cannot solve systems with algebraic equations, and this one has {algebraic}. "
                "Use Rodas5P, or another method for stiff systems."
            )
        if algebraic and method.additive and model.explicit_parameter >= 0:
            raise ModelError(
                f"{method} cannot take terms marked by explicit(...) apart beside algebraic equations, of "
                f"which this system has {algebraic}. Use Rodas5P or Kvaerno5, which do not look at the marks."
            )
        self.model = model
        self.method = method
        self.settled = ""  # what its step is, once that will not change any more
        self._memory = layout_of(model, method).new()
        self._integers = self._memory.table
        self._floats = self._memory.floats(slot.FLOATS)
        self.u: FloatArray = self._memory.floats(slot.U)
        self.p: FloatArray = self._memory.floats(slot.P)
        self._jacobian = self._memory.floats(slot.JACOBIAN_VALUES)
        self._point: list[int] = self._integers[_POINT].tolist()
        self._setup, self._jacobian_values = int(self._integers[slot.SETUP]), address_of(self._jacobian)
        self._systems = RunSystems(model, method, self._memory, options.linear)
        self._advance = library.addresses("loop")["advance"]
        self._factors: FloatArray = np.empty(0)
        self._output = Output(self._memory, model.n)
        self._paused: tuple[float, bool, FloatArray | None] | None = None  # what a pause goes on with
        self.prepare(options)
        self._stats.setup_milliseconds += 1e3 * (time.perf_counter() - began)

    def prepare(self, options: StepOptions) -> None:
        """Make ready for another run with these options, as a new object would be, but for ``linear``."""
        if options.controller is not None and self.method.family == "bdf":
            raise ModelError(f"controller=: {self.method} chooses order and step together, by itself")
        x = self._floats
        x[slot.RTOL] = options.rtol
        x[slot.MAX_STEP] = options.max_step
        x[slot.FIRST_STEP] = options.first_step or 0.0
        controller, k = options.controller or self.method.controller, self.method.error_power
        x[slot.SAFETY] = controller.safety
        x[slot.EXPONENT] = controller.now / k
        x[slot.EXPONENT_BEFORE] = controller.before / k
        x[slot.EXPONENT_RATIO] = controller.ratio
        x[slot.SHRINK] = controller.shrink
        x[slot.GROW] = controller.grow
        x[slot.ORDER] = k
        model = self.model
        keeps = self._keeps and self.method.keeps(model.n_algebraic)
        # where steps are fixed nothing would tell that a matrix is too old
        if self.method.w and (model.n < _KEPT_FROM or not options.adaptive):
            keeps = False
        self._set(slot.KEEP_FROM, 0 if keeps else _NEVER)
        x[slot.STEADY] = _STEADY if keeps else 1.0
        self._memory.floats(slot.ATOL)[:] = options.atol
        self._set(slot.ADAPTIVE, int(options.adaptive))
        self._set(slot.MAX_STEPS, options.max_steps)
        self._stats = Statistics()
        self.settled = ""
        self._systems.begin()
        if self._integers[slot.STEP_GENERIC]:
            self._set(slot.STEP, int(self._integers[slot.STEP_GENERIC]))
            self._set(slot.RHS, self.model.rhs)

    def specialise(self, step: int, function: int, factors: int) -> None:
        """Use a step made for this model (and its f), at any moment between two calls of `advance`.

        factors: the doubles that its factorization takes. Where its pivot order is a bad one it calls the
        step that was there before.
        """
        if self._integers[slot.STEP_GENERIC] == 0:
            self._set(slot.STEP_GENERIC, int(self._integers[slot.STEP]))
        self._set(slot.STEP, step)
        self._set(slot.RHS, function)
        if len(self._factors) < max(factors, 1):
            self._factors = np.zeros(max(factors, 1))
            self._set(slot.FACTORS, address_of(self._factors))

    def specialise_systems(self, codes: Sequence[tuple[int, int, int]]) -> None:
        """Use straight-line code for the linear systems of the steps, see `RunSystems.use_codes`."""
        self._systems.use_codes(codes)
        self._set(slot.W_READY, 0)

    def _set(self, where: int, value: int) -> None:
        self._integers[where] = value

    # --- the run
    # ---------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> Statistics:
        """Up to now; one and the same object throughout."""
        self._stats.counts = self._integers[COUNTED]
        self._stats.linear = self.linear
        return self._stats

    @property
    def t(self) -> float:
        return float(self._floats[slot.T])

    @property
    def next_step(self) -> float:
        """The length proposed for the next step; 0 where it has still to be found."""
        return float(self._floats[slot.H])

    def propose(self, step: float) -> None:
        """Begin with a step of that length, unless a first step was given."""
        self._floats[slot.H] = self._floats[slot.FIRST_STEP] or step

    @property
    def steps(self) -> int:
        """Steps made since the start."""
        return int(self._integers[slot.STEPS])

    @property
    def work(self) -> FloatArray:
        """The scratch memory of the model's functions, (n_work,)."""
        return self._memory.floats(slot.WORK)

    @property
    def fired(self) -> list[int]:
        """The events at which the run has just stopped."""
        return [int(k) for k in np.flatnonzero(self._memory.integers(slot.FIRED)[: self.model.n_events])]

    @property
    def step_size(self) -> float:
        """The length of the step that is being made, or was made last."""
        return float(self._floats[slot.H_STEP])

    def limit_step(self, longest: float) -> None:
        """From now on no step is longer than this."""
        self._floats[slot.MAX_STEP] = longest

    @property
    def sides(self) -> IntArray:
        """(n_events,) the sign that each event function had before this moment; 0: it was about zero."""
        return self._memory.integers(slot.SIDE)[: self.model.n_events].copy()

    @property
    def held(self) -> list[int]:
        """The limits that hold their state."""
        return [int(k) for k in np.flatnonzero(self._memory.integers(slot.HELD))]

    @property
    def worst_row(self) -> int:
        """The row that the last failure is about."""
        return int(self._integers[slot.WORST])

    @property
    def linear(self) -> str:
        """How the linear systems of the steps are solved."""
        return self._systems.kind

    def new_statistics(self) -> Statistics:
        """Count anew from here on."""
        self._stats = Statistics()
        return self._stats

    def start(self, t: float, u: FloatArray, p: FloatArray) -> None:
        """Begin at (t, u) with parameters p; both are copied. All limits are free at first."""
        self.u[:] = u
        self.p[:] = p
        self._floats[slot.T] = t
        self._floats[slot.LAST_STOP] = -math.inf
        self._floats[slot.LONGEST] = 0.0
        if self.model.n_events + self.model.n_limits:
            self._memory.floats(slot.LARGEST)[:] = 0.0
            for where in _SWITCHINGS:
                self._memory.integers(where)[:] = 0
        self._integers[_FROM_ZERO] = 0
        self._set(slot.FAILURE, slot.STEP_TOO_SMALL)
        self._floats[slot.STEP_CAP] = self._floats[slot.MAX_STEP]
        self.changed_parameters()

    def changed_parameters(self) -> None:
        """After `p` or `u` was written to: nothing that was computed for the old values is used again."""
        self._paused = None
        # what limits hold is state of the run, whatever the caller wrote into these parameters
        if self.model.n_limits:
            limited = self.model.limit_parameter
            self.p[limited] = 1.0
            self.p[limited[self._memory.integers(slot.HELD) != 0]] = 0.0
        self._call(self._setup, self._jacobian_values)
        if self._integers[slot.P_IMPLICIT]:
            implicit = self._memory.floats(slot.P_IMPLICIT)
            implicit[:] = self.p
            implicit[self.model.explicit_parameter] = 0.0
            point = self._integers[[slot.U, slot.P_IMPLICIT, slot.WORK_IMPLICIT]].tolist()
            # its entries of the Jacobian are the ones that count
            model_function(self._setup, float(self._floats[slot.T]), self._jacobian_values, *point)
        self._integers[_NOT_KNOWN] = 0
        self._floats[slot.H] = 0.0
        self._integers[slot.PHASE] = slot.RESTART

    def take_over(self, other: Integrator, longest: float = math.inf) -> None:
        """Go on from where another run of the same model with another method stands, with its step or a
        shorter one."""
        if self.model.n_events + self.model.n_limits:
            for where in _SWITCHINGS:
                self._memory.integers(where)[:] = other._memory.integers(where)
            for where in (slot.LARGEST, slot.HIGHEST_SINCE):
                self._memory.floats(where)[:] = other._memory.floats(where)
        self.u[:] = other.u
        self.p[:] = other.p
        self._integers[_COUNTS_ON] = other._integers[_COUNTS_ON]
        self._set(slot.LOOK_EXPLICIT, int(self.method.family == "explicit"))
        self._set(slot.LOOK_CHANGE, 0)
        self._floats[_GOES_ON] = other._floats[_GOES_ON]
        self._set(slot.FAILURE, slot.STEP_TOO_SMALL)
        self.changed_parameters()
        self._floats[slot.H] = min(float(other._floats[slot.H]), longest)
        self._stats = other._stats

    def watch(self, numbers: FloatArray, counts: IntArray, end: float) -> None:
        """From now on look, ever more seldom, whether the system is stiff: in the loop itself, or by `judge`.

        numbers, counts: LOOK_STABLE to LOOK_AFFORDABLE and LOOK to LOOK_CHANGE of `kernel.slot`.
        """
        x = self._floats
        x[slot.LOOK_T] = x[slot.T]
        x[slot.LOOK_END] = end
        x[slot.LOOK_STABLE : slot.LOOK_AFFORDABLE + 1] = numbers
        self._integers[slot.LOOK : slot.LOOK_CHANGE + 1] = counts
        self._set(slot.LOOK_EXPLICIT, int(self.method.family == "explicit"))

    @property
    def next_look(self) -> int:
        """The steps at which stiffness is looked at next; 0: never."""
        return int(self._integers[slot.LOOK_NEXT])

    def judge(self, rate: float) -> None:
        """Look at stiffness now, with this spectral radius of df/du."""
        self._floats[slot.RADIUS] = rate
        self._run(library.addresses("stiffness")["judge"])

    @property
    def wants_change(self) -> bool:
        """Has the last look found that the other kind of method should go on?"""
        return bool(self._integers[slot.LOOK_CHANGE])

    @property
    def outlook(self) -> tuple[float, float]:
        """From the last look: explicit steps to come, and the spectral radius of df/du."""
        return float(self._floats[slot.LOOK_REMAINING]), float(self._floats[slot.RADIUS])

    def move_to(self, t: float) -> None:
        """Be at another time with the same unknowns; nothing that was computed before is used again."""
        self._floats[slot.T] = t
        self.changed_parameters()

    def slope(self) -> FloatArray:
        """f at the present point, (n,), which the next step uses; do not change it."""
        if self._integers[slot.HAVE_F0] == 0:
            self._call(int(self._integers[slot.RHS]), int(self._integers[slot.F0]))
            self._integers[slot.RHS_CALLS] += 1
            self._set(slot.HAVE_F0, 1)
        return self._memory.floats(slot.F0)

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
        self._set(slot.PAUSE_LEFT, -1 if pause_after is None else pause_after)
        before, self._paused = self._paused, None
        goes_on = before and before[0] == t_stop and before[1] == dense and before[2] is saveat
        if not goes_on:
            self._floats[slot.T_STOP] = t_stop
            self._set(slot.KEEP_DENSE, int(dense))
            if self._integers[slot.PHASE] != slot.SAVING:
                self._output.begin(saveat)
        status = self._until_stopped()
        if status == slot.PAUSED:
            self._paused = (t_stop, dense, saveat)
        return Status(status)

    def run_to(self, t_stop: float, saveat: FloatArray | None, dense: bool, pause_after: int) -> int:
        """`advance` right behind `start`, for whoever wants the bare status; all as there."""
        self._floats[slot.T_STOP] = t_stop
        self._set(slot.PAUSE_LEFT, pause_after)
        self._set(slot.KEEP_DENSE, int(dense))
        self._output.begin(saveat)
        status = self._until_stopped()
        if status == slot.PAUSED:
            self._paused = (t_stop, dense, saveat)
        return status

    def _until_stopped(self) -> int:
        while True:
            status = self._run(self._advance)
            if status != slot.BUFFER_FULL:
                return status
            self._output.drain()

    def saved(self) -> tuple[FloatArray, FloatArray]:
        """Times (k,) and states (n, k) that were saved since the last call."""
        return self._output.saved()

    def dense_output(self) -> DenseOutput:
        """The interpolant over the steps that ran with dense=True since the last call."""
        return self._output.dense()

    def _entry(self, address: int) -> tuple[int, IntArray]:
        """What is called for a kernel function: its address and table."""
        return address, self._integers

    def _run(self, address: int) -> int:
        """Call a kernel; choose pivot orders as often as it asks for them."""
        a = self._integers
        repeated, at_step = 0, -1
        while True:
            began = time.perf_counter()
            status = kernel(*self._entry(address))
            middle = time.perf_counter()
            self._stats.solve_milliseconds += 1e3 * (middle - began)
            if status != slot.REPIVOT:
                break
            step = int(a[slot.STEPS] + a[slot.REJECTED])
            repeated = repeated + 1 if step == at_step else 0
            at_step = step
            self._stats.pivot_orders += 1
            fine = repeated < _REPIVOTS_IN_A_ROW and self._systems.analyse(int(a[slot.REPIVOT_SYSTEM]))
            self._stats.setup_milliseconds += 1e3 * (time.perf_counter() - middle)
            if not fine:
                status = slot.SINGULAR
                break
        return status

    def _call(self, function: int, out: int) -> None:
        """A function of the model, by address, at the present point; it writes to the address ``out``."""
        model_function(function, float(self._floats[slot.T]), out, *self._point)
