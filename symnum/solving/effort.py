"""How many steps a solver needs, as a differentiable function of what it solves."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.errors import ModelError
from symnum.record import record
from symnum.solving.method import Method
from symnum.solving.tableau import ExplicitTableau

__all__ = ["Effort", "check_estimate"]

FloatArray: TypeAlias = NDArray[np.float64]


@record
class Effort:
    """``weight`` times the sum over the steps of E^(1/q), E the estimate of the error of a step in units of
    the tolerance, q its order in the step size.

    A controller makes E about 1, so that the sum is about the number of steps, and for steps of given lengths
    its derivative is that of the number that the controller will make of them. times: where given, only steps
    that hold one of these count, each so that the expected sum is the same for random times.

    A. Pal et al., "Opening the blackbox: accelerating neural differential equations by regularizing internal
    solver heuristics", ICML 2021, add the estimates themselves, times the lengths of the steps, and "Locally
    regularized neural differential equations", ICML 2023, those at random times. These stay at the tolerance
    whatever is learnt, and only their gradients tell; the root makes the value agree with its gradient, which
    searches along lines need.
    """

    weight: float
    times: FloatArray | None = None

    @classmethod
    def of(cls, weight: Any, count: Any, span: tuple[float, float], seed: int) -> Effort:
        """count: how many random times, or None for all steps."""
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < np.inf:
            raise ModelError(f"effort={weight!r}: give a weight of the number of steps, above 0")
        if count is None:
            return cls(float(weight))
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ModelError(f"effort_times={count!r}: give how many random times, 1 or more")
        return cls(float(weight), np.sort(np.random.default_rng(seed).uniform(*span, count)))

    def shares(self, times: FloatArray, span: tuple[float, float]) -> FloatArray:
        """(steps,) the weight of each step between times (steps + 1,)."""
        if self.times is None:
            return np.full(len(times) - 1, self.weight)
        held = np.diff(np.searchsorted(self.times, times))
        length = span[1] - span[0]
        found: FloatArray = self.weight * held / len(self.times) * length / np.diff(times)
        return found


def check_estimate(method: Method) -> None:
    """Raise ModelError for methods whose estimate is not differentiated."""
    if not isinstance(method, ExplicitTableau) or method.second:
        raise ModelError(
            f"effort=: the error estimate of {method} is not differentiated; choose an explicit Runge-Kutta "
            "method with one estimate, such as Tsit5 or Vern7"
        )
