"""Points at which equations are held: where they lie, and how much each of them counts."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["causal_weights", "resampled", "uniform"]

FloatArray: TypeAlias = NDArray[np.float64]


def uniform(rng: np.random.Generator, count: int, low: FloatArray, high: FloatArray) -> FloatArray:
    """(count, coordinates) points of a Latin hypercube between low and high (coordinates,)."""
    cells = np.stack([rng.permutation(count) for _ in low], axis=1) if count else np.zeros((0, len(low)))
    found: FloatArray = low + (high - low) * (cells + rng.random(cells.shape)) / max(count, 1)
    return found


def resampled(points: FloatArray, sizes: FloatArray, fresh: FloatArray) -> FloatArray:
    """Retain points whose residual is above the mean, release the others and take fresh ones in their place.

    points, fresh: (points, coordinates). sizes: (points,) of the residual. Points so gather where the
    equations are not met yet, and leave when they are. A. Daw, J. Bu, S. Wang, P. Perdikaris, A. Karpatne,
    "Mitigating propagation failures in physics-informed neural networks using retain-resample-release (R3)
    sampling", ICML 2023.
    """
    return np.where((sizes > sizes.mean())[:, None], points, fresh)


def causal_weights(
    t: FloatArray, losses: FloatArray, span: tuple[float, float], strength: float, bins: int
) -> FloatArray:
    """(points,) the weight of each point: exp(-strength times the loss at all earlier times).

    What happens later counts as soon as what happens before is met. t, losses: (points,). Losses are averaged
    over bins of equal length. S. Wang, S. Sankaran, P. Perdikaris, "Respecting causality for training
    physics-informed neural networks", Comput. Methods Appl. Mech. Eng. 421 (2024) 116813, eq. 3.6.
    """
    begin, end = span
    place = np.clip(((t - begin) / (end - begin) * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    means = np.bincount(place, losses, bins) / np.maximum(counts, 1)
    before = np.concatenate([[0.0], np.cumsum(means)[:-1]])
    found: FloatArray = np.exp(-strength * before)[place]
    return found
