"""Profile likelihood: how badly data are met when one learnt number is held and the others are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError, SolveFailed
from symnum.record import record

if TYPE_CHECKING:
    from symnum.solving.fit import Fit

__all__ = ["Profile", "profile_of"]

FloatArray: TypeAlias = NDArray[np.float64]

_DOUBLINGS = 10  # of the distance to what was fitted, until an end of the interval is given up
_WALL = 1e3  # a point that cannot be computed counts so many times as much as the fit
_SAME = 1e-6  # part of the loss by which it may fall before that is another minimum
_NEAR = 1e-4  # part of its distance to what was fitted to which an end is found


@record
class Profile:
    """The profile of one learnt number.

    values: (points,) increasing, what it was held at. losses: (points,) the least loss there. theta:
    (points, m) all learnt numbers there. interval: (2,) where the loss is ``threshold``, the ends of the
    confidence interval; infinite where the loss stays below it, because the data do not bound the number, a
    bound of the fit where that comes first.
    """

    parameter: str
    values: FloatArray
    losses: FloatArray
    theta: FloatArray
    interval: FloatArray
    threshold: float

    def plot(self, axes: Any = None) -> Any:
        """The loss over the number, with the threshold; returns the axes of Matplotlib."""
        if axes is None:
            import matplotlib.pyplot as plt

            axes = plt.subplots()[1]
        axes.plot(self.values, self.losses, ".-")
        axes.axhline(self.threshold, linestyle="--", color="gray")
        axes.set_xlabel(self.parameter)
        axes.set_ylabel("least loss")
        return axes

    def __repr__(self) -> str:
        low, high = self.interval
        return f"<Profile of {self.parameter}: {low:.6g} to {high:.6g}, {len(self.values)} points>"


def profile_of(fit: Fit, parameter: str, quantile: float, freedom: int, points: int) -> Profile:
    """Ends first, each by a bracketing root finder on the profile t, then points between them.

    quantile: of Student's t with ``freedom`` degrees of freedom.
    """
    return _Profiling(fit, fit.parameters.index(parameter), quantile, freedom).made(points)


class _Profiling:
    """theta: number -> all learnt numbers with the least loss there, of the points so far."""

    def __init__(self, fit: Fit, place: int, quantile: float, freedom: int) -> None:
        self.fit, self.place, self.quantile, self.freedom = fit, place, quantile, freedom
        self.objective, self.name = fit.objective, fit.parameters[place]
        self.center = float(fit.theta[place])
        self.rest = np.arange(len(fit.theta)) != place
        residuals = self.objective.residuals(fit.theta)
        self.least = float(residuals @ residuals)
        if self.least == 0.0:
            raise ModelError("fit: the data are met exactly, which says nothing about their uncertainty")
        self.theta = {self.center: fit.theta.copy()}
        self.losses = {self.center: self.least}

    def made(self, points: int) -> Profile:
        ends = np.array([self.end(-1.0), self.end(1.0)])
        known = np.array(sorted(self.losses))
        edges = [np.clip(end, known[0], known[-1]) for end in ends]
        for value in np.linspace(edges[0], edges[1], points):
            self.loss(float(value))
        values = np.array(sorted(v for v in self.losses if np.isfinite(self.losses[v])))
        return Profile(
            self.name, values, np.array([self.losses[v] for v in values]),
            np.array([self.theta[v] for v in values]), ends,
            self.least * (1.0 + self.quantile**2 / self.freedom),
        )  # fmt: skip

    # ---- ends -------------------------------------------------------------------------------------
    def end(self, side: float) -> float:
        """Where the profile t, which a linear model makes a straight line, meets the quantile."""
        from scipy.optimize import brentq

        bound = float(self.fit.bounds[self.place, 0 if side < 0 else 1])
        before, distance = self.center, self.first_distance()
        for _ in range(_DOUBLINGS + 1):
            value = self.center + side * distance
            stops = side * value >= side * bound
            value = bound if stops else value
            if self.excess(value) >= 0:
                apart = abs(value - self.center)
                return float(brentq(self.excess, before, value, xtol=_NEAR * apart, rtol=_NEAR))
            if stops:
                return bound
            before, distance = value, 2.0 * distance
        return side * np.inf

    def first_distance(self) -> float:
        """What a linear model has, or a tenth of the number where the Jacobian is singular."""
        jacobian = self.objective.jacobian(self.fit.theta)
        own, others = jacobian[:, self.place], jacobian[:, self.rest]
        alone = own - others @ np.linalg.lstsq(others, own, rcond=None)[0] if others.size else own
        size, whole = float(np.linalg.norm(alone)), float(np.linalg.norm(own))
        if size <= 1e-8 * whole or size == 0.0:
            return 0.1 * abs(self.center) or 0.1
        return self.quantile * float(np.sqrt(self.least / self.freedom)) / size

    def excess(self, value: float) -> float:
        """The profile t less the quantile. Bates, Watts, Nonlinear Regression Analysis (1988), 6.1."""
        more = max(self.loss(value) - self.least, 0.0) * self.freedom / self.least
        return float(np.sqrt(min(more, _WALL * self.quantile**2))) - self.quantile

    # ---- one point --------------------------------------------------------------------------------
    def loss(self, value: float) -> float:
        """The least loss with the number held; infinite where no run succeeds."""
        if value not in self.losses:
            near = min(self.theta, key=lambda known: abs(known - value))
            self.theta[value], self.losses[value] = self.fitted(value, self.theta[near])
            if self.losses[value] < (1.0 - _SAME) * self.least:
                raise ModelError(
                    f"fit: with {self.name} = {value:.6g} the loss is {self.losses[value]:.6g}, less than "
                    f"the {self.least:.6g} that the fit found: it was no minimum. Fit again from there, "
                    "with more iterations"
                )
        return self.losses[value]

    def fitted(self, value: float, near: FloatArray) -> tuple[FloatArray, float]:
        from scipy.optimize import least_squares

        held = near.copy()
        held[self.place] = value
        try:
            first = self.objective.residuals(held)
        except SolveFailed:
            return held, np.inf
        if not np.isfinite(first).all():
            return held, np.inf
        if not self.rest.any():
            return held, float(first @ first)

        def whole(part: FloatArray) -> FloatArray:
            point = held.copy()
            point[self.rest] = part
            return point

        def residuals(part: FloatArray) -> FloatArray:
            try:
                found = self.objective.residuals(whole(part))
            except SolveFailed:
                found = np.full(len(first), np.nan)
            if np.isfinite(found).all():
                return found
            return np.full(len(first), np.sqrt(_WALL * max(float(first @ first), self.least) / len(first)))

        def jacobian(part: FloatArray) -> FloatArray:
            return self.objective.jacobian(whole(part))[:, self.rest]

        limits = self.fit.bounds[self.rest]
        result = least_squares(
            residuals, held[self.rest], jacobian, bounds=(limits[:, 0], limits[:, 1]), x_scale="jac",
            ftol=1e-10, xtol=1e-10, gtol=1e-12, max_nfev=100,
        )  # fmt: skip
        return whole(result.x), 2.0 * float(result.cost)
