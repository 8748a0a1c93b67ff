"""What the training of a surrogate minimizes, with its gradient by the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.models.neural.pinn.jets import BLOCK, NetworkJets, closed
from symnum.models.neural.pinn.residual import SystemResidual
from symnum.models.neural.pinn.surrogates import Surrogate
from symnum.record import record

__all__ = ["Held", "Objective"]

FloatArray: TypeAlias = NDArray[np.float64]
_CHUNK = 32 * BLOCK  # points at once: what belongs to them stays in the cache of a processor


@record
class Held:
    """Points (points, 1 + inputs) with what is wanted there of values, slopes and residuals (points, 3, n),
    and the weights of the squares of the differences (points, 3, n).
    """

    points: FloatArray
    wanted: FloatArray
    weights: FloatArray

    def joined(self, other: Held) -> Held:
        return Held(
            np.concatenate([self.points, other.points]), np.concatenate([self.wanted, other.wanted]),
            np.concatenate([self.weights, other.weights]),
        )  # fmt: skip


class Objective:
    """The sum of weighted squares over points, as a function of the weights of a network."""

    def __init__(self, surrogate: Surrogate) -> None:
        self.surrogate = surrogate
        low, high = surrogate.low, surrogate.high
        self._jets = NetworkJets(
            surrogate.network.sizes, surrogate.network.activation, closed([(0,)]), (low + high) / 2,
            (high - low) / 2, None if surrogate.trial.fast is None else (low.item(0), surrogate.trial.fast),
        )  # fmt: skip
        self._residual = SystemResidual(surrogate.problem, surrogate.trial)
        self.evaluations = 0

    def hold(self, held: Held) -> None:
        """From now on these points count."""
        missing = -len(held.points) % BLOCK  # blocks are filled with points of no weight
        self.held = Held(
            np.concatenate([held.points, np.repeat(held.points[-1:], missing, axis=0)]),
            np.concatenate([held.wanted, np.zeros((missing, *held.wanted.shape[1:]))]),
            np.concatenate([held.weights, np.zeros((missing, *held.weights.shape[1:]))]),
        )
        self._starts, self._parameters = self.surrogate.rows(self.held.points)

    def value_and_gradient(self, weights: FloatArray) -> tuple[float, FloatArray]:
        self.evaluations += 1
        value, gradient = 0.0, np.zeros(len(weights))
        for chunk, t, u, p in self._inputs(weights):
            difference = self._residual(t, u, p) - self.held.wanted[chunk]
            weighted = self.held.weights[chunk] * difference
            value += float((weighted * difference).sum())
            by_u = self._residual.pull(t, u, p, 2.0 * weighted)
            blocks = by_u.reshape(-1, BLOCK, 2, by_u.shape[-1]).transpose(0, 2, 1, 3)
            gradient += self._jets.pull(weights, blocks)
        return value, gradient

    def residuals(self, weights: FloatArray, points: FloatArray) -> FloatArray:
        """(points, n) of the equations, each over the usual size of its terms."""
        n = len(self.surrogate.rates)
        zeros = np.zeros((len(points), 3, n))
        self.hold(Held(points, zeros, zeros))
        parts = [self._residual(t, u, p)[:, 2] for _, t, u, p in self._inputs(weights)]
        found: FloatArray = np.concatenate(parts)[: len(points)] / self.surrogate.rates
        return found

    def _inputs(self, weights: FloatArray) -> Iterator[tuple[slice, FloatArray, FloatArray, FloatArray]]:
        points = self.held.points
        for first in range(0, len(points), _CHUNK):
            chunk = slice(first, min(first + _CHUNK, len(points)))
            outputs = self._jets(weights, points[chunk]).transpose(0, 2, 1, 3)
            n = outputs.shape[-1]
            u = np.empty((chunk.stop - first, 3, n))
            u[:, :2] = outputs.reshape(-1, 2, n)
            u[:, 2] = self._starts[chunk]
            yield chunk, np.ascontiguousarray(points[chunk, 0]), u, self._parameters[chunk]
