"""What `gradient.py` and its worker differentiate: a sum of squares over times, by all parameters."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np


class GradientProblem(NamedTuple):
    """u' = right(u, k, xp); loss: sum over times of |u - start/2|^2.

    xp: NumPy or what has its ``stack`` of scalars, ``roll`` and ``tanh``. sizes: of the layers, where u' is a
    network with the weights k (layer by layer the matrix (outputs, inputs), then the biases).
    """

    name: str
    start: Any
    theta: Any
    times: Any
    right: Callable[[Any, Any, Any], Any]
    sizes: tuple[int, ...] = ()


def _chain_of_three(u: Any, k: Any, xp: Any) -> Any:
    """A Lotka-Volterra food chain with saturation, omnivory and 10 parameters."""
    x, y, z = u[0], u[1], u[2]
    return xp.stack([
        x * (k[0] - k[1] * y - k[2] * x),
        y * (-k[3] + k[4] * x - k[5] * z),
        z * (-k[6] + k[7] * y - k[8] * z) + k[9] * x,
    ])  # fmt: skip


def _ring(u: Any, k: Any, xp: Any) -> Any:
    """100 species: A_i -> A_(i+1) with k_i, and A_i + A_(i+7) -> A_(i+1) + A_(i+7) with 0.3."""
    flow = k * u + 0.3 * u * xp.roll(u, -7)
    return xp.roll(flow, 1) - flow


def _network(sizes: tuple[int, ...]) -> Callable[[Any, Any, Any], Any]:
    def right(u: Any, k: Any, xp: Any) -> Any:
        first = 0
        for a, b in pairwise(sizes):
            u = k[first : first + a * b].reshape(b, a) @ u + k[first + a * b : first + a * b + b]
            first += a * b + b
            if first < len(k):
                u = xp.tanh(u)
        return u

    return right


def gradient_problem(name: str) -> GradientProblem:
    if name.startswith("neural ODE"):
        width = int(name.rpartition(" ")[2])
        sizes = (2, width, width, 2)
        rng = np.random.default_rng(0)
        theta = np.concatenate([
            np.append(rng.normal(size=a * b) * np.sqrt(2 / (a + b)), np.zeros(b)) for a, b in pairwise(sizes)
        ])  # fmt: skip
        return GradientProblem(
            name, np.array([2.0, 0.0]), theta, np.linspace(0.05, 1.5, 30), _network(sizes), sizes
        )
    if name == "Lotka-Volterra, 10 parameters":
        theta = np.array([1.1, 0.4, 0.1, 0.4, 0.05, 0.02, 0.3, 0.1, 0.02, 0.01])
        start, times = np.array([5.0, 3.0, 1.0]), np.linspace(1, 20, 20)
        return GradientProblem(name, start, theta, times, _chain_of_three)
    i = np.arange(100)
    return GradientProblem(
        name, 1.0 + np.sin(i) ** 2, 0.5 + 0.4 * np.cos(3 * i), np.linspace(1, 10, 10), _ring
    )


NAMES = ("Lotka-Volterra, 10 parameters", "network, 100 states, 100 parameters", "neural ODE, width 16",
         "neural ODE, width 64")  # fmt: skip
