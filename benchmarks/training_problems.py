"""What `training.py` and its worker train: networks in differential equations, and their data."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import solve_ivp


class TrainingProblem(NamedTuple):
    """u' = right(u, network, xp), network(inputs) of a list of scalars; loss: mean of ((u - data)/scale)^2.

    sizes: of the layers, tanh between them. theta: the weights at first, layer by layer the matrix (outputs,
    inputs), then the biases. data: (states, times). scale: (states,). xp: NumPy or what has its ``stack``.
    """

    name: str
    start: Any
    times: Any
    data: Any
    scale: Any
    sizes: tuple[int, ...]
    theta: Any
    right: Callable[[Any, Callable[[Any], Any], Any], Any]
    iterations: int
    rate: float
    rtol: float
    stiff: bool = False

    @property
    def atol(self) -> Any:
        """(states,) absolute tolerances."""
        return 1e-2 * self.rtol * self.scale


def _spiral(u: Any, network: Callable[[Any], Any], xp: Any) -> Any:
    found = network([u[0] ** 3, u[1] ** 3])
    return xp.stack([found[0], found[1]])


def _robertson(u: Any, network: Callable[[Any], Any], xp: Any) -> Any:
    """Of the rates the one with u_3, 1e4 u_2 u_3, is to be learnt: a square, as it is none below zero."""
    slow, back, fast = 0.04 * u[0], 1e4 * u[1] * network([u[0], u[2]])[0] ** 2, 3e7 * u[1] * u[1]
    return xp.stack([back - slow, slow - back - fast, fast])


def _start(sizes: tuple[int, ...], last: float = 0.0) -> Any:
    """Glorot's weights; the biases of the last layer."""
    rng = np.random.default_rng(0)
    parts = [
        np.append(rng.normal(size=a * b) * np.sqrt(2 / (a + b)), np.zeros(b)) for a, b in pairwise(sizes)
    ]
    theta = np.concatenate(parts)
    theta[len(theta) - sizes[-1] :] = last
    return theta


def training_problem(name: str) -> TrainingProblem:
    if name.startswith("spiral"):
        width = int(name.rpartition(" ")[2])
        matrix, times = np.array([[-0.1, 2.0], [-2.0, -0.1]]), np.linspace(0, 1.5, 31)[1:]
        run = solve_ivp(
            lambda t, u: (u**3) @ matrix, (0, 1.5), [2.0, 0.0], "DOP853", t_eval=times, rtol=1e-11, atol=1e-12
        )
        sizes = (2, width, width, 2)
        return TrainingProblem(
            name, np.array([2.0, 0.0]), times, run.y, np.ones(2), sizes, _start(sizes), _spiral, 300, 1e-2,
            1e-5,
        )
    width = int(name.rpartition(" ")[2])
    times = np.logspace(-1, 4, 21)
    run = solve_ivp(
        lambda t, u: _robertson(u, lambda inputs: [np.sqrt(max(inputs[1], 0.0))], np), (0, times[-1]),
        [1.0, 0.0, 0.0], "Radau", t_eval=times, rtol=1e-10, atol=1e-14,
    )  # fmt: skip
    sizes = (2, width, width, 1)
    scale = np.array([1.0, 3.65e-5, 1.0])
    return TrainingProblem(
        name, np.array([1.0, 0.0, 0.0]), times, run.y, scale, sizes, _start(sizes, 0.5), _robertson, 200,
        1e-2, 1e-6, True,
    )  # fmt: skip


NAMES = ("spiral, width 16", "spiral, width 32", "spiral, width 64", "Robertson, width 16")
