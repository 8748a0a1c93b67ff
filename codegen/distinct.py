"""Distinct values of an array."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["distinct"]

Scalar = TypeVar("Scalar", bound=np.generic)


def distinct(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Each value once, in increasing order, (k,); NaN has no place here.

    What ``np.unique`` returns. That function imports numpy.ma, 8 ms of a start that takes a hundred.
    """
    ordered = np.sort(values, axis=None)
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    found: npt.NDArray[Scalar] = ordered[new]
    return found
