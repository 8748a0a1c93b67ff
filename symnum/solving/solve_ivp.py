"""`solve_ivp` in SciPy's shape for right-hand sides written as Python or numba functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from symnum.codegen.model_functions import FloatArray
from symnum.errors import ModelError
from symnum.solving.choice import MANY_TIMES, Choice
from symnum.solving.dense import DenseOutput
from symnum.solving.integrator import Integrator
from symnum.solving.method import Method
from symnum.solving.statistics import Status
from symnum.solving.step_options import StepOptions
from symnum.solving.tableaus import find
from symnum.solving.user_function import Callbacks, UserFunctions, UserModel, pattern_of
from symnum.solving.user_numba import is_compiled, numba_model

__all__ = ["OdeResult", "PiecewiseSolution", "solve_ivp"]

_PAUSE = 2000
# SciPy's names for methods that have another name here, so that its scripts run as they are. LSODA changes
# between a stiff and a nonstiff method, which is what happens without a name.
_NAMES_IN_SCIPY = {"RK45": "Tsit5", "RK23": "BS3", "Radau": "RadauIIA5", "LSODA": None}


class OdeResult(dict[str, Any]):
    """What `solve_ivp` returns, with SciPy's fields as keys and as attributes.

    t (k,); y (n, k); sol, callable between the steps, or None; t_events, y_events: a list with an array per
    event function, or None; nfev, njev, nlu; status: 0 at the end of the span, 1 at a terminal event, -1
    where a step failed; message; success. Beyond SciPy's: method, and stats.
    """

    __getattr__ = dict.__getitem__

    def __repr__(self) -> str:
        width = max(map(len, self))
        return "\n".join(f"{key:>{width}}: {value!r}" for key, value in self.items())

    def __dir__(self) -> list[str]:
        return list(self)


class PiecewiseSolution:
    """The dense output of a run: (n,) at a time and (n, m) at m times, also beyond the steps' ends."""

    def __init__(self, pieces: Sequence[DenseOutput], sign: float) -> None:
        self._pieces = [piece for piece in pieces if len(piece.start)]
        self._sign = sign
        times = [sign * self._pieces[0].start[0], sign * self._pieces[-1].end[-1]]
        self.t_min, self.t_max = min(times), max(times)

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        times = self._sign * np.asarray(t, dtype=float)
        flat = times.reshape(-1)
        ends = np.array([piece.end[-1] for piece in self._pieces])
        which = np.minimum(np.searchsorted(ends, flat, side="left"), len(ends) - 1)
        values = np.empty((self._pieces[0].u.shape[1], len(flat)))
        for k in np.unique(which):
            values[:, which == k] = self._pieces[k].extended(flat[which == k])
        return values[:, 0] if times.ndim == 0 else values


def solve_ivp(
    fun: Callable[..., Any],
    t_span: Sequence[float],
    y0: npt.ArrayLike,
    method: str | Method | None = None,
    t_eval: npt.ArrayLike | None = None,
    dense_output: bool = False,
    events: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    vectorized: bool = False,
    args: Sequence[Any] | None = None,
    *,
    rtol: float = 1e-3,
    atol: npt.ArrayLike = 1e-6,
    jac: Any = None,
    jac_sparsity: Any = None,
    mass: npt.ArrayLike | None = None,
    max_step: float = np.inf,
    first_step: float | None = None,
    max_steps: int = 10_000_000,
) -> OdeResult:
    """Integrate dy/dt = fun(t, y, *args), as `scipy.integrate.solve_ivp` does, with the methods of `METHODS`.

    fun: any Python function of a time and (n,) that returns n values, or one compiled by ``numba.njit``,
    which then runs without the interpreter (so do jac and events, where they are numba's too).
    t_span: (begin, end), which may run backwards. method: without one it is chosen, and changed where the
    system becomes stiff or ceases to be, which "LSODA" asks for too; SciPy's "RK45", "RK23" and "Radau" are
    Tsit5, BS3 and RadauIIA5, methods of the same orders, as the result's ``method`` says.
    t_eval: times of the output, else every step, those of events too.
    events: functions g(t, y, *args) with SciPy's attributes ``terminal`` (true, or how many times) and
    ``direction``. jac: df/dy as a function, an array or a sparse matrix; without it differences are taken,
    grouped by jac_sparsity, a matrix that is not zero where df/dy is not. mass: (n,) ones and zeros; rows
    with 0 are algebraic equations fun = 0 (index 1), whose unknowns are made consistent at the start.
    rtol, atol: held as in `solve`; atol one number or (n,).

    ArithmeticError and ValueError in fun shorten the step, other exceptions pass through, with what was
    computed until then as their ``solution``. A run that cannot
    go on has status -1 and a message; ModelError for arguments that make no sense.
    """
    user = _checked(fun, t_span, y0, events, vectorized, args, rtol, atol, jac, jac_sparsity, mass)
    begin, end = (user.sign * float(time) for time in t_span)
    start = np.array(y0, dtype=float).reshape(-1)
    grid = None if t_eval is None else _grid(t_eval, begin, end, user.sign)
    Callbacks(user).evaluate(begin, start)  # what is wrong with its shape shows here, as it is
    weights = np.array(np.broadcast_to(np.asarray(atol, dtype=float), start.shape))
    options = StepOptions(rtol, weights, max_step, first_step, max_steps)
    if isinstance(method, str):
        method = _NAMES_IN_SCIPY.get(method, method)
    run = _IvpRun(user, method, options, (begin, end), grid, dense_output)
    return run.result(start)


def _checked(
    fun: Any, t_span: Any, y0: Any, events: Any, vectorized: bool, args: Any, rtol: float, atol: Any,
    jac: Any, jac_sparsity: Any, mass: Any,
) -> UserFunctions:  # fmt: skip
    if not callable(fun):
        raise ModelError(f"solve_ivp takes a function of (t, y), not {fun!r}; for a Problem use sn.solve")
    try:
        begin, end = (float(time) for time in t_span)
    except (TypeError, ValueError) as error:
        raise ModelError(f"t_span is (begin, end), two numbers, not {t_span!r}") from error
    if not (np.isfinite([begin, end]).all() and begin != end):
        raise ModelError(f"t_span={t_span!r}: give two different, finite times")
    try:
        args = () if args is None else tuple(args)
    except TypeError as error:
        raise ModelError(f"args={args!r}: give a tuple, args=({args!r},)") from error
    start = np.asarray(y0)
    if start.dtype.kind == "c":
        raise ModelError("y0 is complex; split it into real and imaginary parts")
    start = start.astype(float)
    if start.ndim != 1 or not len(start) or not np.isfinite(start).all():
        raise ModelError(f"y0 has shape {start.shape}: give (n,) finite numbers")
    n = len(start)
    weights = np.asarray(atol, dtype=float)
    if weights.shape not in ((), (n,)) or not (weights > 0).all() or not 1e-14 <= rtol < 1:
        raise ModelError(f"rtol={rtol}, atol={atol}: rtol from 1e-14 to 1; atol positive, 1 or {n} numbers")
    given = None
    pattern = None if jac_sparsity is None else jac_sparsity
    if callable(jac):
        given = jac
        if pattern is None and not is_compiled(jac):
            first = jac(begin, start.copy(), *args)
            pattern = first if hasattr(first, "tocsc") else None
    elif jac is not None:
        constant = jac if hasattr(jac, "tocsc") else np.asarray(jac, dtype=float)
        given = lambda t, y, *args: constant  # noqa: E731 - named by what it gives
        pattern = constant if pattern is None else pattern
    functions = () if events is None else (events,) if callable(events) else tuple(events)
    masses = np.ones(n) if mass is None else np.asarray(mass, dtype=float)
    if masses.shape != (n,) or not np.isin(masses, (0.0, 1.0)).all():
        raise ModelError(f"mass: give ({n},) ones and zeros, zeros for algebraic equations")
    indptr, indices = pattern_of(pattern, n)
    return UserFunctions(
        fun, n, args, 1.0 if end > begin else -1.0, given, indptr, indices, functions,
        np.array([int(np.sign(getattr(event, "direction", 0))) for event in functions], dtype=np.int64),
        masses, np.broadcast_to(weights / rtol, (n,)).copy(), vectorized,
    )  # fmt: skip


def _grid(t_eval: npt.ArrayLike, begin: float, end: float, sign: float) -> FloatArray:
    grid = sign * np.asarray(t_eval, dtype=float)
    if grid.ndim != 1 or (len(grid) and not (begin <= grid.min() and grid.max() <= end)):
        raise ModelError("t_eval: give times within t_span")
    if not (grid[1:] > grid[:-1]).all():
        raise ModelError("t_eval: the times must go from the begin of t_span to its end, without repetition")
    return grid


class _IvpRun:
    def __init__(
        self,
        user: UserFunctions,
        method: str | Method | None,
        options: StepOptions,
        span: tuple[float, float],
        grid: FloatArray | None,
        dense: bool,
    ) -> None:
        self.user, self.options, self.span = user, options, span
        self.grid, self.dense = grid, dense
        self.record = None if method is None else find(method)
        self.times: list[FloatArray] = []
        self.states: list[FloatArray] = []
        self.pieces: list[DenseOutput] = []
        self.t_events: list[list[float]] = [[] for _ in user.events]
        self.y_events: list[list[FloatArray]] = [[] for _ in user.events]
        left = [getattr(event, "terminal", None) for event in user.events]
        self.left = [np.inf if not count else int(count) for count in left]

    def result(self, start: FloatArray) -> OdeResult:
        choice, reason = None, ""
        method = self.record
        self.model = self.made(implicit=method is not None and method.family != "explicit")
        if method is None:
            functions, callbacks = self.model.functions, self.model.callbacks
            many = self.dense or (self.grid is not None and len(self.grid) > MANY_TIMES)
            choice = Choice(
                functions, self.options.rtol, bool(many or functions.n_events),
                rate=self.rate, jacobian_cost=int(callbacks.group.max(initial=0)) + 2,
            )  # fmt: skip
            method, reason = choice.begin(self.span, start, self.model.p)
            if method is choice.stiff:
                self.model = self.made(implicit=True)
        functions = self.model.functions
        integrator = Integrator(functions, method, self.options)
        methods = [method.name]
        integrator.start(self.span[0], start, self.model.p)
        if choice:
            choice.watch(integrator, self.span[1])
        if functions.n_algebraic and not integrator.reinitialize().converged:
            self.raise_fatal()
            raise ModelError(
                "the algebraic unknowns cannot be made consistent at the start; the worst equation is that "
                f"in row {integrator.worst_row}"
            )
        if self.grid is None:
            self.keep(np.array([self.span[0]]), integrator.u[:, None].copy())
        while True:
            pause = min(_PAUSE, choice.pause(integrator)) if choice else _PAUSE
            status = integrator.advance(self.span[1], saveat=self.grid, dense=self.dense, pause_after=pause)
            self.raise_fatal(integrator, methods)
            if status is Status.PAUSED:
                change = choice.changed(integrator) if choice else None
                if change:
                    self.collect(integrator)
                    before, (method, longest, why) = integrator, change
                    reason += why
                    self.model = self.made(implicit=True)
                    integrator = Integrator(self.model.functions, method, self.options)
                    integrator.take_over(before, longest)
                    methods.append(method.name)
                continue
            self.collect(integrator)
            if status is Status.EVENT and not self.happened(integrator):
                continue
            break
        if choice:
            integrator.stats.choice = reason
        return self.finished(integrator, status, ", ".join(dict.fromkeys(methods)))

    def made(self, *, implicit: bool) -> UserModel:
        """The functions that solvers call, with derivatives if there is use for them."""
        user = self.user
        return numba_model(user, implicit) if is_compiled(user.fun) else Callbacks(user).model()

    def rate(self, t: float, y: FloatArray) -> float:
        """The spectral radius of the Jacobian by products with it, which are differences of f."""
        evaluate = self.model.callbacks.evaluate
        base = evaluate(t, y)
        scale = np.maximum(np.abs(y), self.user.typical)
        direction = np.random.default_rng(1).standard_normal(len(y)) * scale
        growth: list[float] = []
        for _ in range(8):
            size = float(np.sqrt(np.mean((direction / scale) ** 2)))
            if not 0.0 < size < 1e300:
                return 0.0 if size == 0.0 else np.inf
            growth.append(size)
            direction = (evaluate(t, y + 1e-7 * direction / size) - base) / 1e-7
        return float(np.exp(np.mean(np.log(growth[-4:]))))

    def raise_fatal(self, integrator: Integrator | None = None, methods: Sequence[str] = ()) -> None:
        """Pass on what a function of the user's has raised, with what was computed until then."""
        fatal = self.model.callbacks.fatal
        if fatal is None:
            return
        if integrator is not None:
            self.collect(integrator)
            result = self.finished(integrator, Status.NOT_FINITE, ", ".join(dict.fromkeys(methods)))
            where = f"t = {self.user.sign * integrator.t:.9g}"
            result["message"] = f"{where}: stopped by {type(fatal).__name__}: {fatal}"
            with suppress(AttributeError):  # a class with __slots__
                fatal.solution = result  # type: ignore[attr-defined]
        raise fatal

    def collect(self, integrator: Integrator) -> None:
        self.keep(*integrator.saved())
        if self.dense:
            self.pieces.append(integrator.dense_output())

    def keep(self, times: FloatArray, states: FloatArray) -> None:
        self.times.append(times)
        self.states.append(states)

    def happened(self, integrator: Integrator) -> bool:
        """Note the events at the present time; True when one of them ends the run."""
        ends = False
        for k in integrator.fired:
            self.t_events[k].append(self.user.sign * integrator.t)
            self.y_events[k].append(integrator.u.copy())
            self.left[k] -= 1
            ends = ends or self.left[k] <= 0
        return ends

    def finished(self, integrator: Integrator, status: Status, method: str) -> OdeResult:
        user, stats = self.user, integrator.stats
        t = user.sign * np.concatenate(self.times)
        events = bool(user.events)
        code = {Status.DONE: 0, Status.EVENT: 1}.get(status, -1)
        refused = self.model.callbacks.refused
        message = {0: "The end of the span was reached.", 1: "A terminal event occurred."}.get(code, "")
        if code < 0:
            row = integrator.worst_row
            message = {
                Status.STEP_TOO_SMALL: f"The step size collapsed; the largest error is that of y[{row}].",
                Status.MAX_STEPS_REACHED: f"{self.options.max_steps} steps were not enough.",
                Status.NOT_FINITE: f"Not finite, however short the step: y[{row}].",
                Status.SINGULAR: "The matrix of a step is singular, however short the step.",
                Status.ZENO: "Events follow each other ever faster and would never end.",
            }.get(status, status.name.lower())
            message = f"t = {user.sign * integrator.t:.9g}: {message}"
            if refused is not None:
                message += f" fun raised {type(refused).__name__}: {refused}."
        return OdeResult(
            t=t, y=np.concatenate(self.states, axis=1),
            sol=PiecewiseSolution(self.pieces, user.sign) if self.dense else None,
            t_events=[np.array(times) for times in self.t_events] if events else None,
            y_events=[np.array(y).reshape(-1, user.n) for y in self.y_events] if events else None,
            nfev=stats.rhs_evaluations, njev=stats.jacobians, nlu=stats.factorizations, status=code,
            message=message, success=code >= 0, method=method, stats=stats,
        )  # fmt: skip
