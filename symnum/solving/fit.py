"""Fitting parameters, starts and weights to data through the compiled solver."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.record import record
from symnum.rewriting.expr import Expr
from symnum.solving.effort import Effort, check_estimate
from symnum.solving.fit_objective import Objective, Penalty, flattened, trajectories_of
from symnum.solving.method import Method
from symnum.solving.multiple_shooting import shot
from symnum.solving.options import Times
from symnum.solving.outside_optimizers import Step, is_outside, step_of
from symnum.solving.problem import Problem
from symnum.solving.profile import Profile, profile_of
from symnum.solving.solution import Solution
from symnum.solving.solution_map import SolutionMap
from symnum.solving.solve import solve

__all__ = ["Fit", "fit"]

FloatArray: TypeAlias = NDArray[np.float64]

OPTIMIZERS = ("least squares", "L-BFGS")
# Learnt numbers up to which a Jacobian of all residuals pays: its steps are far fewer.
_FEW = 512
_WALL = 1e3  # a point that cannot be computed counts so many times as much as the best one
_REACH = 30.0  # least squares: no number counts as one that has to change by more than so many of its sizes
_HALVINGS = 30  # of a step behind which runs fail


@record
class Fit:
    """What was learnt.

    theta: (m,) in the order of ``parameters``; ``fitted[k]`` is one of them. loss: the objective there, for
    data the mean of the squares of the weighted residuals and the penalty. history: the best loss up to each
    iteration. status: "converged", "target", "no progress", "interrupted" or "limit". problems: with what was
    learnt. bounds: (m, 2).
    """

    theta: FloatArray
    parameters: tuple[str, ...]
    loss: float
    history: FloatArray
    status: str
    message: str
    evaluations: int
    problems: tuple[Problem, ...]
    bounds: FloatArray
    objective: Objective

    def __getitem__(self, parameter: Expr | str) -> float:
        name = parameter if isinstance(parameter, str) else str(parameter)
        if name not in self.parameters:
            raise ModelError(f"fit: {name} was not learnt; learnt were {', '.join(self.parameters[:8])}")
        return float(self.theta[self.parameters.index(name)])

    @property
    def problem(self) -> Problem:
        """The first problem with the learnt numbers."""
        return self.problems[0]

    def solve(self, number: int = 0, **options: Any) -> Solution:
        """A run of one trajectory with the learnt numbers; options are those of `solve`."""
        return solve(self.problems[number], **options)

    def covariance(self) -> FloatArray:
        """(m, m) of the learnt numbers, for residuals of unknown equal variance: s^2 (J'J)^-1.

        Raises ModelError where the data do not determine them. Seber, Wild, Nonlinear Regression (1989), 2.1.
        """
        objective, freedom = self.objective, self._freedom()
        jacobian = objective.jacobian(self.theta)
        residuals = objective.residuals(self.theta)
        sizes = np.linalg.norm(jacobian, axis=0)
        flat = np.flatnonzero(sizes == 0.0)
        if len(flat):
            raise ModelError(f"fit: the data do not depend on {self.parameters[flat[0]]}")
        values, vectors = np.linalg.svd(jacobian / sizes, full_matrices=False)[1:]
        if values[-1] <= 1e-10 * values[0]:
            worst = np.argsort(-np.abs(vectors[-1]))[:2]
            names = ", ".join(self.parameters[k] for k in worst)
            raise ModelError(f"fit: the data do not determine these apart from each other: {names}")
        inverse = vectors.T / values**2 @ vectors / np.outer(sizes, sizes)
        found: FloatArray = inverse * float(residuals @ residuals) / freedom
        return found

    def intervals(self, confidence: float = 0.95) -> FloatArray:
        """(m, 2) confidence intervals from the covariance and Student's t."""
        width = np.sqrt(np.diag(self.covariance())) * self._quantile(confidence)
        return np.stack([self.theta - width, self.theta + width], axis=1)

    def band(
        self, outputs: Sequence[Any], at: Times, confidence: float = 0.95, number: int = 0
    ) -> tuple[FloatArray, FloatArray]:
        """Values (outputs, times) of a trajectory with half the width of their confidence intervals.

        From the covariance by the derivatives of the outputs (the delta method): what is not known of the
        learnt numbers, without the scatter of single measurements. Seber, Wild (1989), section 5.1.
        """
        before = self.objective.trajectories[number].mapping
        mapping = SolutionMap(
            self.problems[number], outputs, at=at, parameters=self.parameters, method=before.method,
            rtol=before.rtol, atol=before.atol,
        )  # fmt: skip
        jacobian = mapping.jacobian()
        variance = np.einsum("okm,mn,okn->ok", jacobian, self.covariance(), jacobian)
        return mapping(), np.sqrt(np.maximum(variance, 0.0)) * self._quantile(confidence)

    def profile(self, parameter: Expr | str, confidence: float = 0.95, points: int = 15) -> Profile:
        """How the least loss changes when one learnt number is held and all others are fitted anew.

        Its interval needs no linear model, in contrast to `intervals`, and shows what the data do not bound;
        for a linear one both agree. points: of the curve between its ends. Raises ModelError where the loss
        falls below that of the fit, which then was no minimum.
        Bates, Watts, Nonlinear Regression Analysis (1988), 6.1; Raue et al., Bioinformatics 25 (2009) 1923.
        """
        self[parameter]  # says what was learnt where this was not
        if isinstance(points, bool) or not isinstance(points, int) or points < 2:
            raise ModelError(f"points={points!r}: give a whole number, 2 or more")
        quantile, freedom = self._quantile(confidence), self._freedom()
        return profile_of(self, str(parameter), quantile, freedom, points)

    def _freedom(self) -> int:
        """Residuals more than what was learnt: the degrees of freedom of their variance."""
        objective, m = self.objective, len(self.theta)
        if objective.loss is not None:
            raise ModelError(
                "fit: only fits to data have an uncertainty that is known, not those with a loss of their own"
            )
        freedom = objective.count + int(np.count_nonzero(objective.penalty.root)) - m
        if freedom < 1:
            raise ModelError(
                f"fit: {objective.count} values are too few for the uncertainty of {m} parameters"
            )
        return freedom

    def _quantile(self, confidence: float) -> float:
        from scipy.stats import t

        if not (isinstance(confidence, (int, float)) and 0 < confidence < 1):
            raise ModelError(f"confidence={confidence!r}: give a number between 0 and 1")
        return float(t.ppf(0.5 + confidence / 2, self._freedom()))

    def plot(self, axes: Any = None) -> Any:
        """The history of the loss; returns the axes of Matplotlib."""
        if axes is None:
            import matplotlib.pyplot as plt

            axes = plt.subplots()[1]
        axes.semilogy(np.arange(len(self.history)), self.history)
        axes.set_xlabel("iteration")
        axes.set_ylabel("loss")
        return axes

    def __repr__(self) -> str:
        return (
            f"<Fit: {len(self.theta)} learnt, loss {self.loss:.6g} after {len(self.history)} iterations, "
            f"{self.status}>"
        )


def fit(
    problem: Problem | Sequence[Problem],
    data: Any,
    at: Any,
    learn: Any,
    *,
    loss: Callable[[FloatArray], tuple[float, Any]] | None = None,
    weights: Mapping[Any, Any] | None = None,
    regularize: Any = None,
    effort: float | None = None,
    effort_times: int | None = None,
    bounds: Mapping[Any, tuple[float, float]] | None = None,
    optimizer: Any = None,
    iterations: int = 500,
    target: float = 0.0,
    patience: int | None = None,
    shooting: int = 1,
    checkpoint: str | Path | None = None,
    progress: Callable[[int, float], Any] | None = None,
    method: str | Method | None = None,
    rtol: float = 1e-6,
    atol: Any = 1e-9,
) -> Fit:
    """Find the parameters, starts and weights with which solutions fit data.

    problem: a problem, or several of one system (trajectories). data: {expression: values (times,)}, NaN
    where a value is missing; a list of such for several problems. at: increasing times, or a list of times.
    learn: parameters, and variables for their starts (the same in all trajectories), by expression or name;
    lists and tuples in it are taken apart. They begin with the values of the first problem.
    loss: in place of the mean of squares, outputs (data, times) -> (value, derivatives by each), summed over
    trajectories. weights: {expression: weight or (times,)} that multiply residuals, for 1/deviation.
    regularize: the factor of the sum of squares of all that is learnt, or {parameter: (mean, deviation)}.
    effort: the weight of the number of steps in the loss, as error estimates tell it (see `Effort`), so that
    what is learnt is cheap to integrate at these tolerances; effort_times=16: at so many random times only.
    bounds: {parameter: (low, high)}. optimizer: "least squares" (trust regions with the Jacobian of all
    residuals) or "L-BFGS" (gradients), both of SciPy; by number without it. Or a transformation of optax,
    ``optax.adam(1e-2)``, or ``lambda parameters: torch.optim.Adam(parameters, lr=1e-2)``, whose points are
    moved into the bounds and which go on until one of the reasons below.
    shooting: first fit over that many pieces of each trajectory, between times of the data, whose starts are
    found with the rest while the gaps between them close (multiple shooting), then the whole from there: for
    long, oscillating or chaotic trajectories, where a poor first point is far from any that fits.
    The fit ends when it converges, at a loss of ``target``, after ``iterations``, or when ``patience`` of
    them brought less than a thousandth. Ctrl-C ends it with the best found. checkpoint: a file that the best
    numbers are written to as they come; where it is there already the fit goes on from it. progress: called
    with (iteration, best loss).

    A point at which a run fails counts as a very bad one. Raises SolveFailed where the first point fails,
    saying which trajectory, ModelError for what does not fit together.
    """
    keys = flattened(learn)
    if learn is None or not keys:
        raise ModelError("fit: learn= is empty; name parameters, or variables for their starts")
    options = {"method": method, "rtol": rtol, "atol": atol}
    trajectories = trajectories_of(problem, data, at, weights, keys, options)
    names = trajectories[0].mapping.parameters
    efforts = None
    if effort is not None:
        for trajectory in trajectories:
            check_estimate(trajectory.mapping.method)
        efforts = [
            Effort.of(effort, effort_times, trajectory.mapping.problem.span, seed)
            for seed, trajectory in enumerate(trajectories)
        ]
    elif effort_times is not None:
        raise ModelError("effort_times= says where effort= counts; give that too")
    objective = Objective(trajectories, loss, Penalty(regularize, names), efforts)
    squares = loss is None and effort is None
    chosen = optimizer or ("least squares" if squares and len(names) <= _FEW else "L-BFGS")
    if not is_outside(chosen) and chosen not in OPTIMIZERS:
        raise ModelError(
            f"optimizer={optimizer!r}: choose one of {', '.join(OPTIMIZERS)}, or give one of optax or PyTorch"
        )
    if chosen == "least squares" and not squares:
        raise ModelError(
            "optimizer='least squares' needs data without a loss of its own or effort=; choose 'L-BFGS'"
        )
    for name, value in (("iterations", iterations), ("patience", 1 if patience is None else patience)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ModelError(f"{name}={value!r}: give a whole number, 1 or more")
    if isinstance(shooting, bool) or not isinstance(shooting, int) or shooting < 1:
        raise ModelError(f"shooting={shooting!r}: give a whole number of pieces, 1 or more")
    if shooting > 1 and loss is not None:
        raise ModelError("shooting= needs data without a loss of its own")
    limits = _limits(bounds, names)
    begin = trajectories[0].mapping.theta
    if shooting > 1 and not (checkpoint is not None and Path(checkpoint).exists()):
        begin = shot(objective, begin, limits, shooting, options, iterations)
    search = _Search(objective, names, limits, iterations, target, patience, checkpoint, progress)
    status, message = search.run(begin, chosen)
    theta = search.best
    fitted = tuple(_with(trajectory.mapping.problem, names, theta) for trajectory in trajectories)
    return Fit(
        theta, names, search.loss, np.array(search.history), status, message, objective.evaluations, fitted,
        limits, objective,
    )  # fmt: skip


class _Stop(Exception):
    """What ends a search of SciPy from inside; it says why."""


class _Search:
    """One search: the best point so far, which nothing may lose, and when to stop."""

    def __init__(
        self, objective: Objective, names: tuple[str, ...], limits: FloatArray, iterations: int,
        target: float, patience: int | None, checkpoint: str | Path | None,
        progress: Callable[[int, float], Any] | None,
    ) -> None:  # fmt: skip
        self.objective, self.names, self.limits = objective, names, limits
        self.iterations, self.target, self.patience, self.progress = iterations, target, patience, progress
        self.path = None if checkpoint is None else Path(checkpoint)
        self.best, self.loss = np.zeros(0), np.inf
        self.history: list[float] = []
        self.failures = 0

    def run(self, theta: FloatArray, optimizer: Any) -> tuple[str, str]:
        theta = self.first(theta)
        try:
            if is_outside(optimizer):
                return self.steps(theta, step_of(optimizer, theta))
            if optimizer == "least squares":
                return self.least_squares(theta)
            return self.gradients(theta)
        except _Stop as stop:
            return str(stop), f"{stop} after {len(self.history)} iterations"
        except KeyboardInterrupt:
            logging.getLogger("symnum").warning("fit: interrupted; the best found is returned")
            return "interrupted", "Ctrl-C"

    def first(self, theta: FloatArray) -> FloatArray:
        """Where to begin: the file of a fit before, or theta within the bounds."""
        if self.path is not None and self.path.exists():
            try:
                with np.load(self.path, allow_pickle=False) as found:
                    names, theta = tuple(found["parameters"].tolist()), found["theta"].astype(float)
            except (OSError, ValueError, KeyError) as error:
                raise ModelError(f"checkpoint {self.path}: this is no file of a fit: {error}") from error
            if names != self.names:
                raise ModelError(f"checkpoint {self.path}: it is of a fit of {', '.join(names[:8])}")
        inside: FloatArray = np.clip(theta, self.limits[:, 0], self.limits[:, 1])
        self.note(inside, self.objective.value_and_gradient(inside)[0])
        if not np.isfinite(self.loss):
            raise ModelError("fit: the loss is not finite at the first point")
        return inside

    def note(self, theta: FloatArray, loss: float) -> None:
        if loss < self.loss:
            self.best, self.loss = theta.copy(), loss
            self.write()

    def write(self) -> None:
        if self.path is None:
            return
        other = self.path.with_name(self.path.name + ".part")
        with other.open("wb") as file:
            np.savez(file, theta=self.best, parameters=np.array(self.names), loss=self.loss)
        os.replace(other, self.path)  # whole or not at all

    def iterated(self, *_: Any, **__: Any) -> None:
        """After each iteration: reasons to stop."""
        self.history.append(self.loss)
        if self.progress is not None:
            self.progress(len(self.history), self.loss)
        if self.loss <= self.target:
            raise _Stop("target")
        if len(self.history) >= self.iterations:
            raise _Stop("limit")
        before = self.history[: -self.patience] if self.patience is not None else []
        if before and self.loss > 0.999 * before[-1]:
            raise _Stop("no progress")

    def failed(self, error: SolveFailed) -> None:
        self.failures += 1
        logging.getLogger("symnum").info("fit: a point was given up: %s", error)

    # ---- the optimizers ---------------------------------------------------------------------------
    def gradients(self, theta: FloatArray) -> tuple[str, str]:
        from scipy.optimize import minimize

        def function(point: FloatArray) -> tuple[float, FloatArray]:
            try:
                value, gradient = self.objective.value_and_gradient(point)
            except SolveFailed as error:
                self.failed(error)
                return _WALL * max(self.loss, 1.0), np.zeros(len(point))
            if not (np.isfinite(value) and np.isfinite(gradient).all()):
                return _WALL * max(self.loss, 1.0), np.zeros(len(point))
            self.note(point, value)
            return value, gradient

        found = minimize(
            function, theta, jac=True, method="L-BFGS-B", bounds=self.limits.tolist(), callback=self.iterated,
            options={"maxiter": 10 * self.iterations, "maxfun": 100 * self.iterations, "maxcor": 20,
                     "ftol": 1e-14, "gtol": 1e-10},
        )  # fmt: skip
        return "converged", str(found.message)

    def steps(self, theta: FloatArray, step: Step) -> tuple[str, str]:
        """Steps that another program's optimizer makes; where a run fails, half of the last one."""
        good, halved = theta, 0
        while halved < _HALVINGS:
            try:
                value, gradient = self.objective.value_and_gradient(theta)
                fine = bool(np.isfinite(value) and np.isfinite(gradient).all())
            except SolveFailed as error:
                self.failed(error)
                fine = False
            if fine:
                self.note(theta, value)
                good, halved = theta, 0
                theta = np.clip(step(theta, gradient), self.limits[:, 0], self.limits[:, 1])
            else:
                theta, halved = (theta + good) / 2, halved + 1
            self.iterated()
        return "no progress", "runs fail all around the last point"

    def least_squares(self, theta: FloatArray) -> tuple[str, str]:
        from scipy.optimize import least_squares

        residuals = self.objective.residuals(theta)
        size = len(residuals)

        def function(point: FloatArray) -> FloatArray:
            try:
                residuals = self.objective.residuals(point)
            except SolveFailed as error:
                self.failed(error)
                return np.full(size, np.sqrt(_WALL * max(self.loss, 1.0) / size))
            value = float(residuals @ residuals)
            if not np.isfinite(value):
                return np.full(size, np.sqrt(_WALL * max(self.loss, 1.0) / size))
            self.note(point, value)
            return residuals

        def jacobian(point: FloatArray) -> FloatArray:
            self.iterated()  # SciPy asks for it once at the start and after every accepted step
            return self.objective.jacobian(point)

        # Scaled by what they do to the residuals alone, weights that mean nothing at first, as behind a
        # saturated unit, would be the ones to move.
        sizes = _REACH * np.maximum(np.abs(theta), np.median(np.abs(theta)) or 1.0)
        effect = np.linalg.norm(self.objective.jacobian(theta), axis=0)
        scale = 1.0 / np.maximum(effect / max(float(np.linalg.norm(residuals)), 1e-300), 1.0 / sizes)
        # a point on a bound is moved inside by SciPy, which takes no bounds that leave no room
        found = least_squares(
            function, theta, jacobian, bounds=(self.limits[:, 0], self.limits[:, 1]), x_scale=scale,
            method="trf", ftol=1e-12, xtol=1e-12, gtol=1e-12, max_nfev=100 * self.iterations,
        )  # fmt: skip
        self.history.append(self.loss)
        return "converged", str(found.message)


def _limits(bounds: Mapping[Any, tuple[float, float]] | None, names: tuple[str, ...]) -> FloatArray:
    """(m, 2)"""
    limits = np.tile([-np.inf, np.inf], (len(names), 1))
    if bounds is not None and not isinstance(bounds, Mapping):
        raise ModelError(f"bounds is {{parameter: (low, high)}}, not {bounds!r}")
    for key, pair in (bounds or {}).items():
        if str(key) not in names:
            raise ModelError(f"bounds: {key} is not learnt; learn it, or leave it out")
        try:
            low, high = (float(value) for value in pair)
        except (TypeError, ValueError) as error:
            raise ModelError(f"bounds of {key}: give (low, high), not {pair!r}") from error
        if not low < high:
            raise ModelError(f"bounds of {key}: {low:g} is not below {high:g}")
        limits[names.index(str(key))] = low, high
    return limits


def _with(problem: Problem, names: tuple[str, ...], theta: FloatArray) -> Problem:
    known = {name: float(value) for name, value in zip(names, theta, strict=True)}
    inside = {name for name in names if problem.flat.parameters.find(name) is not None}
    return problem.with_(
        parameters={name: value for name, value in known.items() if name in inside},
        start={name: value for name, value in known.items() if name not in inside},
    )
