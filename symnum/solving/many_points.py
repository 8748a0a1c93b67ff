"""Compiled functions at many points in one call."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from symnum.codegen.compiled_pullback import CompiledPullback
from symnum.solving.kernel import slot
from symnum.solving.kernel.call import address_of, kernel
from symnum.solving.kernel.library import addresses

__all__ = ["at_points"]

FloatArray: TypeAlias = NDArray[np.float64]


def at_points(
    compiled: CompiledPullback, name: str, t: FloatArray, u: FloatArray, p: FloatArray, size: int
) -> FloatArray:
    """(points, size) what a function gives at times (points,), unknowns (points, .), parameters (points, .).

    Zeros where there is no function of that name: it is a derivative that vanishes. Arrays are contiguous
    doubles and as long as the function reads; whoever compiled it knows.
    """
    out = np.zeros((len(t), size))
    function = compiled.address(name)
    if not function or not out.size:
        return out
    empty = np.zeros(1)  # so that there is an address
    work = np.zeros(compiled.n_work + 1)
    table = np.zeros(slot.F_SIZE, np.int64)
    table[slot.F_FUNCTION], table[slot.F_COUNT] = function, len(t)
    table[slot.F_T], table[slot.F_WORK] = address_of(t), address_of(work)
    for place, row, array in (
        (slot.F_OUT, slot.F_OUT_ROW, out), (slot.F_U, slot.F_U_ROW, u), (slot.F_P, slot.F_P_ROW, p)
    ):  # fmt: skip
        table[place] = address_of(array if array.size else empty)
        table[row] = array.shape[1]
    kernel(addresses("points")["points"], table)
    return out
