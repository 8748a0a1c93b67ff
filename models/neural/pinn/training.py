"""Training a surrogate on the residual of its equations, on samples of solutions, or on both."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.models.neural.pinn.collocation import causal_weights, resampled, uniform
from symnum.models.neural.pinn.objective import Held, Objective
from symnum.models.neural.pinn.samples import Samples
from symnum.models.neural.pinn.surrogates import Surrogate
from symnum.record import record

__all__ = ["Training", "train"]

FloatArray: TypeAlias = NDArray[np.float64]

_BINS = 20  # of time, over which losses are averaged for causal weights


@record
class Training:
    """surrogate: with what was learnt. history: the loss behind each iteration, of the points that it had.
    status: "limit", "target" or "interrupted". residual: the root of the mean square of the residuals, over
    their usual sizes, at points that were not trained on.
    """

    surrogate: Surrogate
    history: FloatArray
    status: str
    evaluations: int
    residual: float

    def __repr__(self) -> str:
        told = f"{len(self.history)} iterations, {self.status}, relative residual {self.residual:.3g}"
        return f"<Training: {told}>"


def train(
    surrogate: Surrogate,
    *,
    points: int = 1000,
    samples: Samples | None = None,
    values: float = 1.0,
    slopes: float = 0.0,
    physics: float = 1.0,
    optimizer: str = "L-BFGS",
    learning_rate: float = 1e-2,
    iterations: int = 1000,
    rounds: int = 10,
    causal: float = 0.0,
    target: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, float], Any] | None = None,
) -> Training:
    """Find the weights with which a surrogate meets its equations and samples; returns a new surrogate.

    The loss is the sum of three means of squares: of the residuals of the equations at ``points`` collocation
    points, over the usual sizes of the rates, times ``physics``; of the differences from the values of
    ``samples``, over the ranges of the unknowns, times ``values``; and from their slopes, over the rates,
    times ``slopes``. With points=0 the equations are not used. J. Stiasny, G. Misyris, S. Chatzivasileiadis,
    arXiv:2106.13638, compare the three: data alone, with slopes, and with physics.

    optimizer: "L-BFGS" of SciPy, or "Adam" (with a learning rate that falls to a hundredth of
    ``learning_rate`` along a cosine). The iterations are divided into rounds; between them collocation
    points are retained or sampled anew (see `collocation.resampled`), and with ``causal`` above zero weighted
    so that later times count when earlier ones are met (`causal_weights`; 1 to 100 are usual). It ends after
    ``iterations``, or at a loss of ``target``; Ctrl-C ends it with the best weights so far.
    """
    run = _Run(surrogate, samples, (values, slopes, physics), points, causal, seed)
    _check_counts(points=(points, 0), iterations=(iterations, 1), rounds=(rounds, 1))
    if optimizer not in ("L-BFGS", "Adam"):
        raise ModelError(f"train: optimizer={optimizer!r}: choose L-BFGS or Adam")
    if samples is None and not points:
        raise ModelError("train: there is nothing to learn from: give points= or samples=")
    steps = _Steps(target, progress)
    weights, status = surrogate.weights.copy(), "limit"
    shares = [len(part) for part in np.array_split(np.arange(iterations), min(rounds, iterations))]
    try:
        for number, share in enumerate(shares):
            run.prepare(weights, first=number == 0)
            steps.best, steps.loss = weights.copy(), np.inf
            if optimizer == "Adam":
                at = sum(shares[:number]) / iterations, sum(shares[: number + 1]) / iterations
                weights = steps.adam(run.objective, weights, share, learning_rate, at)
            else:
                weights = steps.quasi_newton(run.objective, weights, share)
    except _Reached:
        weights, status = steps.best, "target"
    except KeyboardInterrupt:
        logging.getLogger("symnum").warning("train: interrupted; the best weights are returned")
        weights, status = steps.best, "interrupted"
    return Training(
        surrogate.with_weights(weights), np.array(steps.history), status, run.objective.evaluations,
        run.unseen(weights),
    )  # fmt: skip


class _Reached(Exception):
    """The loss is as small as was asked for."""


class _Run:
    """The points that are held, and how they change from round to round."""

    def __init__(
        self, surrogate: Surrogate, samples: Samples | None, shares: tuple[float, float, float], count: int,
        causal: float, seed: int,
    ) -> None:  # fmt: skip
        self.surrogate, self.samples, self.shares = surrogate, samples, shares
        self.count, self.causal = count, causal
        self.rng = np.random.default_rng(seed)
        self.objective = Objective(surrogate)
        self.points = self._sampled(count)
        for name, share in zip(("values", "slopes", "physics", "causal"), (*shares, causal), strict=True):
            if not (isinstance(share, (int, float)) and np.isfinite(share) and share >= 0):
                raise ModelError(f"train: {name}={share!r}: give a number that is not negative")

    def prepare(self, weights: FloatArray, first: bool) -> None:
        """Hold the points of the next round."""
        held = self._of_samples()
        if self.count:
            sizes = (self.objective.residuals(weights, self.points) ** 2).mean(axis=1)
            if not first:
                fresh = self._sampled(self.count)
                self.points = resampled(self.points, np.sqrt(sizes), fresh)
                sizes = (self.objective.residuals(weights, self.points) ** 2).mean(axis=1)
            collocated = self._of_points(sizes)
            held = collocated if held is None else held.joined(collocated)
        assert held is not None
        self.objective.hold(held)

    def _sampled(self, count: int) -> FloatArray:
        """Points of a Latin hypercube; with a fast transient half of the times are log-uniform."""
        low, high, fast = self.surrogate.low, self.surrogate.high, self.surrogate.trial.fast
        points = uniform(self.rng, count, low, high)
        if fast is not None:
            span = high[0] - low[0]
            share = (points[::2, 0] - low[0]) / span
            points[::2, 0] = low[0] + fast / 10 * ((10 * span / fast + 1) ** share - 1)
        return points

    def _of_samples(self) -> Held | None:
        samples, surrogate = self.samples, self.surrogate
        if samples is None:
            return None
        n = len(surrogate.rates)
        expected = (len(samples), 1 + len(surrogate.inputs))
        if samples.points.shape != expected or samples.values.shape[1] != n:
            raise ModelError(
                f"train: samples have points {samples.points.shape} of {samples.values.shape[1]} unknowns; "
                f"the surrogate has {expected[1]} coordinates and {n} unknowns: give `sample` the same inputs"
            )
        wanted, weights = np.zeros((len(samples), 3, n)), np.zeros((len(samples), 3, n))
        wanted[:, 0] = samples.values
        weights[:, 0] = self.shares[0] / (samples.values.size * surrogate.trial.scale**2)
        known = np.isfinite(samples.slopes)
        wanted[:, 1] = np.where(known, samples.slopes, 0.0)
        weights[:, 1] = known * self.shares[1] / (max(int(known.sum()), 1) * surrogate.rates**2)
        return Held(samples.points, wanted, weights)

    def _of_points(self, losses: FloatArray) -> Held:
        n = len(self.surrogate.rates)
        zeros = np.zeros((self.count, 3, n))
        weights = zeros.copy()
        each = np.ones(self.count)
        if self.causal:
            each = causal_weights(
                self.points[:, 0], losses, self.surrogate.trial.span, self.causal, _BINS
            )
        weights[:, 2] = each[:, None] * self.shares[2] / (self.count * n * self.surrogate.rates**2)
        return Held(self.points, zeros, weights)

    def unseen(self, weights: FloatArray) -> float:
        return float(np.sqrt((self.objective.residuals(weights, self._sampled(1024)) ** 2).mean()))


class _Steps:
    """Iterations of the optimizers, with the best weights of the present round."""

    def __init__(self, target: float, progress: Callable[[int, float], Any] | None) -> None:
        self.target, self.progress = target, progress
        self.best, self.loss = np.zeros(0), np.inf
        self.history: list[float] = []

    def note(self, weights: FloatArray, loss: float) -> None:
        if loss < self.loss:
            self.best, self.loss = weights.copy(), loss

    def iterated(self, *_: Any) -> None:
        self.history.append(self.loss)
        if self.progress is not None:
            self.progress(len(self.history), self.loss)
        if self.loss <= self.target:
            raise _Reached

    def quasi_newton(self, objective: Objective, weights: FloatArray, count: int) -> FloatArray:
        from scipy.optimize import minimize

        def function(point: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = objective.value_and_gradient(point)
            self.note(point, value)
            return value, gradient

        minimize(
            function, weights, jac=True, method="L-BFGS-B", callback=self.iterated,
            options={"maxiter": count, "maxfun": 2 * count + 20, "maxcor": 20, "ftol": 0.0, "gtol": 0.0},
        )  # fmt: skip
        return self.best

    def adam(
        self, objective: Objective, weights: FloatArray, count: int, rate: float, at: tuple[float, float]
    ) -> FloatArray:
        """D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1."""
        first, second = np.zeros(len(weights)), np.zeros(len(weights))
        weights = weights.copy()
        for k in range(1, count + 1):
            value, gradient = objective.value_and_gradient(weights)
            self.note(weights, value)
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            done = at[0] + (at[1] - at[0]) * k / count
            now = rate * (0.01 + 0.99 * (1 + np.cos(np.pi * done)) / 2)
            weights -= now * (first / (1 - 0.9**k)) / (np.sqrt(second / (1 - 0.999**k)) + 1e-8)
            self.iterated()
        return self.best


def _check_counts(**counts: tuple[Any, int]) -> None:
    for name, (value, least) in counts.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ModelError(f"train: {name}={value!r}: give a whole number, {least} or more")
