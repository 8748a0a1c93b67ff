"""CVODE and IDA of SUNDIALS, through scikit-sundae, in the place of an `Integrator`.

They call the compiled functions of the model through Python, so that they are for large systems and for
comparisons, not for speed on small ones. Interpolation between steps is SUNDIALS' own, a polynomial of
degree 5 at most, which is sampled where it is to be kept.
"""

from __future__ import annotations

import importlib
import math
import time
import warnings
from typing import Any

import numpy as np

from symnum.codegen.model_functions import FloatArray, IntArray, ModelFunctions
from symnum.errors import ModelError
from symnum.solving.dense import DenseOutput
from symnum.solving.integrator import Integrator, Reinitialization
from symnum.solving.kernel.call import model_function
from symnum.solving.method import Method
from symnum.solving.statistics import Statistics, Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import METHODS

__all__ = ["SundialsIntegrator"]

# Unknowns from which the matrix is kept as a sparse one.
_SPARSE_FROM = 100
_ROOT = 2  # what SUNDIALS returns at a sign change; 1 at the time to stop at, 0 after a step
_TOO_MUCH_WORK = -1
# Steps so short, relative to the time, that the solution goes nowhere; and how many are let pass.
_VANISHING = 1e-13
_TINY_IN_A_ROW = 50
# Where the polynomial of a step is sampled, and what turns the samples into the rows of `kernel.dense`.
_INSIDE = np.array([0.2, 0.4, 0.6, 0.8])
_TO_ROWS = np.linalg.inv(_INSIDE[:, None] ** np.arange(4))


class SundialsIntegrator:
    """One run with CVODE or IDA; what it has in common with `Integrator` is used in the same way."""

    def __init__(self, model: ModelFunctions, method: Method, options: StepOptions) -> None:
        if not options.adaptive or options.controller is not None:
            raise ModelError(f"{method} controls its steps itself: leave step= and controller= out")
        if model.n_limits:
            raise ModelError(f"{method} knows no hard limits, and there are {model.n_limits}: use Rodas5P")
        if model.n_algebraic and not method.dae:
            raise ModelError(
                f"{method} cannot solve systems with algebraic equations, and this one has "
                f"{model.n_algebraic}. Use IDA or Rodas5P."
            )
        try:
            self._module: Any = importlib.import_module(f"sksundae.{method.name.lower()}")
        except ImportError as error:
            raise ModelError(
                f'{method} needs scikit-sundae: pip install "symnum-modeling[sundials]"'
            ) from error
        self.model, self.method = model, method
        # for the memory of the model's functions, and for consistent algebraic unknowns
        self._inner = Integrator(model, METHODS["Rodas5P"], StepOptions(options.rtol, options.atol))
        self._stats = Statistics()
        self._stats.tier = "SUNDIALS"
        self._max_steps, self._first_step = options.max_steps, options.first_step or 0.0
        self._options: dict[str, Any] = {
            "rtol": options.rtol, "atol": np.array(np.broadcast_to(options.atol, model.n)),
            "max_step": 0.0 if math.isinf(options.max_step) else options.max_step, "max_num_steps": 10**6,
            "jacfn": self._ode_jacobian if method.name == "CVODE" else self._dae_jacobian,
        }  # fmt: skip
        columns = np.repeat(np.arange(model.n), np.diff(model.indptr))
        if model.n < _SPARSE_FROM:
            self._options["linsolver"] = "dense"
            self._entries: Any = (model.indices, columns)
            self._diagonal: Any = (np.arange(model.n), np.arange(model.n))
        else:
            from scipy.sparse import csc_matrix

            here = np.arange(model.n)
            keys, place = np.unique(
                np.concatenate([columns * model.n + model.indices, here * (model.n + 1)]), return_inverse=True
            )
            self._entries, self._diagonal = place[: len(columns)], place[len(columns) :]
            rows, starts = keys % model.n, np.searchsorted(keys, np.arange(model.n + 1) * model.n)
            pattern = np.ones(len(keys)), rows.astype(np.int32), starts.astype(np.int32)
            matrix = csc_matrix(pattern, shape=(model.n, model.n))
            self._options |= {"linsolver": "sparse", "sparsity": matrix}
        if model.n_events:
            self._options |= {"eventsfn": self._events(), "num_events": model.n_events}
        self._values = np.zeros(max(len(model.indices), 1))
        self._solver: Any = None
        self._counted = (0, 0)
        self._tiny = 0
        self._moved = False  # is the inner one behind?
        self.t = 0.0
        self.fired: list[int] = []
        self._saved: list[tuple[float, FloatArray]] = []
        self._records: list[FloatArray] = []

    # --- the functions of the model, as scikit-sundae calls them ------------------------------------------
    def _call(self, function: int, t: float, out: FloatArray, y: FloatArray) -> None:
        inner = self._inner
        p, work = inner.p.ctypes.data, inner.work.ctypes.data
        model_function(function, t, out.ctypes.data, y.ctypes.data, p, work)

    def _right(self, t: float, y: FloatArray, yp: FloatArray) -> None:
        self._call(self.model.rhs, t, yp, y)

    def _residual(self, t: float, y: FloatArray, yp: FloatArray, res: FloatArray) -> None:
        self._call(self.model.rhs, t, res, y)
        np.subtract(self.model.mass * yp, res, out=res)

    def _ode_jacobian(self, t: float, y: FloatArray, yp: FloatArray, matrix: FloatArray) -> None:
        self._call(self.model.jacobian, t, self._values, y)
        matrix[...] = 0.0
        matrix[self._entries] = self._values[: len(self.model.indices)]

    def _dae_jacobian(
        self, t: float, y: FloatArray, yp: FloatArray, res: FloatArray, cj: float, matrix: FloatArray
    ) -> None:
        self._ode_jacobian(t, y, yp, matrix)
        np.negative(matrix, out=matrix)
        matrix[self._diagonal] += cj * self.model.mass

    def _events(self) -> Any:
        count, roots = self.model.n_events, self.model.roots

        def of_ode(t: float, y: FloatArray, events: FloatArray) -> None:
            self._call(roots, t, events, y)

        def of_dae(t: float, y: FloatArray, yp: FloatArray, events: FloatArray) -> None:
            self._call(roots, t, events, y)

        chosen: Any = of_ode if self.method.name == "CVODE" else of_dae
        chosen.terminal, chosen.direction = [True] * count, self.model.event_direction.tolist()
        return chosen

    # --- the run -----------------------------------------------------------------------------------------
    @property
    def u(self) -> FloatArray:
        return self._inner.u

    @property
    def p(self) -> FloatArray:
        return self._inner.p

    @property
    def stats(self) -> Statistics:
        return self._stats

    @property
    def steps(self) -> int:
        return self._stats.steps

    @property
    def sides(self) -> IntArray:
        return self._inner.sides

    @property
    def next_step(self) -> float:
        return 0.0

    @property
    def worst_row(self) -> int:
        """The row whose slope is largest beside its tolerance, or is not finite."""
        sizes = np.abs(self.slope()) / (self._options["atol"] + self._options["rtol"] * np.abs(self.u))
        bad = np.flatnonzero(~np.isfinite(sizes))
        return int(bad[0] if len(bad) else np.argmax(sizes))

    def propose(self, step: float) -> None:
        """SUNDIALS finds its first step itself."""

    def start(self, t: float, u: FloatArray, p: FloatArray) -> None:
        self._inner.start(t, u, p)
        self.t = t
        self._moved = False
        self._solver = None

    def slope(self) -> FloatArray:
        if self._moved:
            self._inner.move_to(self.t)
            self._moved = False
        return self._inner.slope()

    def reinitialize(self) -> Reinitialization:
        self._solver = None
        return self._inner.reinitialize()

    def changed_parameters(self) -> None:
        self._inner.move_to(self.t)
        self._moved = False
        self._solver = None

    def move_to(self, t: float) -> None:
        self.t = t
        self.changed_parameters()

    def _begin(self) -> None:
        first, self._first_step = self._first_step, 0.0
        self._call(self.model.setup, self.t, self._values, self.u)  # the entries of J that do not change
        self._counted = (0, 0)
        with warnings.catch_warnings():
            # that its own differences are not used where there is a Jacobian
            warnings.filterwarnings("ignore", message="Custom sparse Jacobian", category=UserWarning)
            self._solver = self._new_solver(first)

    def _new_solver(self, first: float) -> Any:
        if self.method.name == "CVODE":
            solver = self._module.CVODE(self._right, first_step=first, **self._options)
            solver.init_step(self.t, self.u.copy())
        else:
            algebraic = np.flatnonzero(self.model.mass == 0.0)
            solver = self._module.IDA(
                self._residual, first_step=first, algebraic_idx=algebraic if len(algebraic) else None,
                **self._options,
            )  # fmt: skip
            solver.init_step(self.t, self.u.copy(), self.model.mass * self.slope())
        return solver

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
            return self._advance(t_stop, saveat, dense, pause_after or 2000)
        finally:
            self._stats.solve_milliseconds += 1e3 * (time.perf_counter() - began)

    def _advance(self, t_stop: float, saveat: FloatArray | None, dense: bool, pause: int) -> Status:
        if saveat is not None and self.steps == 0 and self.t in saveat:
            self._saved.append((self.t, self.u.copy()))
        for _ in range(pause):
            if self.t >= t_stop:
                return Status.DONE
            if self.steps >= self._max_steps:
                return Status.MAX_STEPS_REACHED
            if self._solver is None:
                self._begin()
            before, u = self.t, self.u.copy()
            found = self._solver.step(t_stop, method="onestep", tstop=t_stop)
            if found.status >= 0 and float(found.t) == before:  # the step after a look at its inside
                found = self._solver.step(t_stop, method="onestep", tstop=t_stop)
            self._count(found)
            if found.status < 0:
                if not np.isfinite(self.slope()).all():
                    return Status.NOT_FINITE
                return Status.MAX_STEPS_REACHED if found.status == _TOO_MUCH_WORK else Status.STEP_TOO_SMALL
            self._stats.steps += 1
            self._tiny = self._tiny + 1 if float(found.t) - before <= _VANISHING * abs(before) else 0
            if self._tiny > _TINY_IN_A_ROW:
                return Status.STEP_TOO_SMALL
            end, v = float(found.t), np.array(found.y, dtype=float)
            self._keep(before, u, end, v, saveat, dense)
            self.t = end
            self.u[:] = v
            self._moved = True
            if found.status == _ROOT:
                which = np.asarray(found.i_events).reshape(-1, self.model.n_events)[-1]
                self.fired = [int(k) for k in np.flatnonzero(which)]
                self._stats.events += len(self.fired)
                return Status.EVENT
        return Status.PAUSED

    def _count(self, found: Any) -> None:
        now = (int(found.nfev), int(found.njev))
        self._stats.rhs_evaluations += now[0] - self._counted[0]
        self._stats.jacobians += now[1] - self._counted[1]
        self._counted = now

    def _keep(
        self, begin: float, u: FloatArray, end: float, v: FloatArray, saveat: FloatArray | None, dense: bool
    ) -> None:
        """Save what the step from begin to end gives."""
        h = end - begin
        if dense:
            inside = np.array([self._at(begin + theta * h) for theta in _INSIDE])
            theta = _INSIDE[:, None]
            rows = _TO_ROWS @ (((inside - (1.0 - theta) * u) / theta - v) / (1.0 - theta))
            self._records.append(np.concatenate([[begin, h, end], u, v, rows.ravel()]))
        if saveat is None:
            self._saved.append((end, v))
            return
        first, last = np.searchsorted(saveat, [begin, end], side="right")
        for t in saveat[first:last]:
            self._saved.append((float(t), v if t == end else self._at(float(t))))

    def _at(self, t: float) -> FloatArray:
        """The state at a time within the last step."""
        found = self._solver.step(t, method="normal")
        if found.status < 0:
            raise ModelError(f"{self.method} cannot interpolate at t = {t:g}: {found.message}")
        return np.array(found.y, dtype=float)

    def saved(self) -> tuple[FloatArray, FloatArray]:
        """As `Integrator.saved`."""
        pieces, self._saved = self._saved, []
        if not pieces:
            return np.empty(0), np.empty((self.model.n, 0))
        return np.array([t for t, _ in pieces]), np.array([state for _, state in pieces]).T

    def dense_output(self) -> DenseOutput:
        """As `Integrator.dense_output`."""
        kept, self._records = self._records, []
        n = self.model.n
        return DenseOutput.from_records(np.array(kept) if kept else np.empty((0, 3 + 6 * n)), n)
