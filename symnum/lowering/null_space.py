"""Which rows of a square sparse matrix depend on each other, and which columns it cannot tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnum.lowering.families import IntArray

_SINGULAR = 1e-11  # relative to the largest entry after scaling: a smaller singular value is zero
_INVOLVED = 1e-6  # relative to the largest entry of a null vector
_SHIFT = 1e-9
_ITERATIONS = 4
_DENSE = 200  # rows up to which the singular values are computed


def dependent_parts(matrix: Any) -> tuple[IntArray, IntArray] | None:
    """(rows, columns) of a left and a right null vector, largest entries first; None of a regular matrix.

    matrix: (n, n) sparse. Rows and columns are scaled to a largest entry of one. Large matrices are shifted
    by a little and their null vectors found by inverse iteration.
    """
    from scipy.sparse import csc_array, diags_array

    n = matrix.shape[0]
    if not n:
        return None
    scaled = csc_array(matrix, dtype=float)
    for axis in (1, 0):
        largest = abs(scaled).max(axis=axis).toarray().ravel()
        factor = diags_array(1.0 / np.where(largest > 0, largest, 1.0))
        scaled = csc_array(factor @ scaled if axis else scaled @ factor)
    if n <= _DENSE:
        left, values, right = np.linalg.svd(scaled.toarray())
        if values[-1] > _SINGULAR * max(values[0], 1.0):
            return None
        return _involved(left[:, -1]), _involved(right[-1])
    if _is_regular(scaled):
        return None
    from scipy.sparse.linalg import splu

    random = np.random.default_rng(0)
    factors = splu(csc_array(scaled + diags_array(_SHIFT * random.uniform(0.5, 1.5, n))))
    vectors = []
    for way in ("T", "N"):
        vector = random.standard_normal(n)
        for _ in range(_ITERATIONS):
            vector = factors.solve(vector, way)
            vector /= np.abs(vector).max()
        vectors.append(_involved(vector))
    return vectors[0], vectors[1]


def _is_regular(matrix: Any) -> bool:
    from scipy.sparse.linalg import splu

    try:
        pivots = np.abs(splu(matrix).U.diagonal())
    except RuntimeError:  # exactly singular
        return False
    return bool(pivots.min() > _SINGULAR)


def _involved(vector: NDArray[np.float64]) -> IntArray:
    size = np.abs(vector)
    order = np.argsort(-size, kind="stable")
    return np.asarray(order[size[order] > _INVOLVED * size.max()], np.int64)
