"""Where on a grid every unknown of a system lies, for solvers that go along its lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symnum.language.block import GridNames, Quantities
from symnum.lowering.flat import FlatSystem

_SAME = 1e-9  # distance of two points that are one, beside the length of the grid


def grid_places(flat: FlatSystem) -> NDArray[np.int32] | None:
    """(n, 1 + coordinates): number of the field, and rank of the point along each coordinate.

    -1 where an unknown lies on no grid, or its field does not vary with a coordinate. Points of different
    fields are ranked together: on a staggered grid faces lie between cells. None without fields.
    """
    fields = [
        (first, part)
        for first, part in flat.unknowns.blocks()
        if part.axes and isinstance(part.names, GridNames)
    ]
    if not fields:
        return None
    points = _points([part for _, part in fields])
    names = list(points)
    result = np.full((flat.n, 1 + len(names)), -1, np.int32)
    for number, (first, part) in enumerate(fields):
        inside = np.flatnonzero((flat.vector >= first) & (flat.vector < first + len(part)))
        index = np.unravel_index(flat.vector[inside] - first, tuple(len(x) for _, x in part.axes))
        result[inside, 0] = number
        for along, (name, x) in zip(index, part.axes, strict=True):
            rank = np.searchsorted(points[name], x - _SAME * np.ptp(points[name]))
            result[inside, 1 + names.index(name)] = rank[along]
    return result


def _points(fields: list[Quantities]) -> dict[str, NDArray[np.float64]]:
    """The points of all fields along each coordinate, ascending, those that are the same once."""
    found: dict[str, NDArray[np.float64]] = {}
    for part in fields:
        for name, x in part.axes:
            found[name] = np.union1d(found.get(name, x), x)
    for name, x in found.items():
        apart = np.diff(x, prepend=-np.inf) > _SAME * max(float(np.ptp(x)), 1e-300)
        found[name] = x[apart]
    return found
