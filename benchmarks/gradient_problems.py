"""What `gradient.py` and its worker differentiate: a sum of squares over times, by all parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class GradientProblem(NamedTuple):
    """u' = right(u, k, stack, roll); loss: sum over times of |u - start/2|^2.

    stack makes a vector of a list of scalars, roll moves a vector by places as ``np.roll`` does.
    """

    name: str
    start: Any
    theta: Any
    times: Any
    right: Callable[[Any, Any, Any, Any], Any]


def _chain_of_three(u: Any, k: Any, stack: Any, roll: Any) -> Any:
    """A Lotka-Volterra food chain with saturation, omnivory and 10 parameters."""
    x, y, z = u[0], u[1], u[2]
    return stack([
        x * (k[0] - k[1] * y - k[2] * x),
        y * (-k[3] + k[4] * x - k[5] * z),
        z * (-k[6] + k[7] * y - k[8] * z) + k[9] * x,
    ])  # fmt: skip


def _ring(u: Any, k: Any, stack: Any, roll: Any) -> Any:
    """100 species: A_i -> A_(i+1) with k_i, and A_i + A_(i+7) -> A_(i+1) + A_(i+7) with 0.3."""
    flow = k * u + 0.3 * u * roll(u, -7)
    return roll(flow, 1) - flow


def gradient_problem(name: str) -> GradientProblem:
    if name == "Lotka-Volterra, 10 parameters":
        theta = np.array([1.1, 0.4, 0.1, 0.4, 0.05, 0.02, 0.3, 0.1, 0.02, 0.01])
        start, times = np.array([5.0, 3.0, 1.0]), np.linspace(1, 20, 20)
        return GradientProblem(name, start, theta, times, _chain_of_three)
    i = np.arange(100)
    return GradientProblem(
        name, 1.0 + np.sin(i) ** 2, 0.5 + 0.4 * np.cos(3 * i), np.linspace(1, 10, 10), _ring
    )


NAMES = ("Lotka-Volterra, 10 parameters", "network, 100 states, 100 parameters")
